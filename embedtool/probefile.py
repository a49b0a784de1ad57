"""A probe as a folder: `probe.json` and `probe.safetensors`, no pickle.

The JSON says what the probe is and where it comes from, and has the digest of itself and of the
tensors: weights (c, d) and bias (c,), float32, and `trained` (n, 32), the SHA-256 of each image
learned from, so that a later score can tell whether it is of new images.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from embedtool.errors import EmbedtoolError, ModelMismatch
from embedtool.files import publish_folder
from embedtool.softmax import Solution
from embedtool.store import Index
from embedtool.types import PathLike, Progress

PROBE_FORMAT = 1
CARD, TENSORS = "probe.json", "probe.safetensors"
STANDARDISATION = "none: unit vectors as stored"  # centring and scaling each measured no gain


@dataclass(frozen=True)
class Probe:
    """A linear classifier of the vectors of one model."""

    classes: tuple[str, ...]
    model: str
    fingerprint: str  # of the vectors it was made for, and can be asked about
    strength: float  # C
    temperature: float  # that the solution's logits were divided by
    balanced: bool
    seed: int
    report: dict[str, Any]  # what was measured as it was made
    solution: Solution
    trained: npt.NDArray[np.uint8]  # (n, 32)

    def check(self, fingerprint: str, index: PathLike) -> None:
        """Raise ModelMismatch where the vectors of an index are not those the probe is for."""
        if fingerprint != self.fingerprint:
            raise ModelMismatch(
                f"this probe is for vectors of {self.model} ({self.fingerprint[:12]}), those of "
                f"{index} are others ({fingerprint[:12]}). Train one for them: "
                f"embedtool probe train {index} --out PROBE"
            )

    def ask(
        self, index: Index, vectors: npt.NDArray[np.int64], progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """Probabilities (n, c) of vectors by id, ascending, read a block at a time."""
        found = np.empty((len(vectors), len(self.classes)), np.float32)
        done = 0
        for ids, rows in index.blocks_at(index.places(vectors.tolist())):
            found[done : done + len(ids)] = self.solution.probabilities(rows)
            done += len(ids)
            if progress:
                progress(done, len(vectors), 0, "predicting")
        return found

    def knows(self, digests: tuple[bytes, ...]) -> npt.NDArray[np.bool_]:
        """Whether each of n contents was learned from (n,)."""
        own = {row.tobytes() for row in self.trained}
        return np.array([digest in own for digest in digests], np.bool_)


def write_probe(probe: Probe, path: PathLike) -> None:
    """Write a probe's folder, whole or not at all, in place of an earlier probe.

    Raises EmbedtoolError where something else has that name.
    """
    target = Path(path)
    if target.exists() and not (target / CARD).is_file():
        raise EmbedtoolError(f"{target} is there already and is no probe: name another with --out")
    solution = probe.solution
    tensors = save({"weights": solution.weights, "bias": solution.bias, "trained": probe.trained})
    card = asdict(probe)
    for tensor in ("solution", "trained"):
        del card[tensor]
    card = {
        "embedtool probe": PROBE_FORMAT,
        "standardisation": STANDARDISATION,
        **card,
    }
    card["sha256"] = _digest(card, tensors)
    with publish_folder(target, existing="replace") as draft:
        (draft / TENSORS).write_bytes(tensors)
        (draft / CARD).write_text(json.dumps(card, indent=1) + "\n", "utf-8")


def read_probe(path: PathLike) -> Probe:
    """Raises EmbedtoolError where the folder is no probe, is not whole, or is of a later format."""
    folder = Path(path)
    if not (folder / CARD).is_file():
        raise EmbedtoolError(
            f"expected a probe's folder, found no {CARD} at {folder}. "
            f"Make one: embedtool probe train INDEX --out {folder}"
        )
    try:
        card = dict(json.loads((folder / CARD).read_text("utf-8")))
        if (version := int(card["embedtool probe"])) > PROBE_FORMAT:
            raise EmbedtoolError(
                f"{folder} has probe format {version}; this embedtool reads up to {PROBE_FORMAT}. "
                "Upgrade: pip install -U embedtool"
            )
        content = (folder / TENSORS).read_bytes()
        if card.pop("sha256") != _digest(card, content):
            raise _broken(folder, f"{CARD} or {TENSORS} is not what was written (SHA-256 differs)")
        del card["embedtool probe"]
        standardisation = card.pop("standardisation")
        if standardisation != STANDARDISATION:
            raise _broken(folder, f"its standardisation is {standardisation!r}")
        tensors = load(content)
        solution = Solution(tensors["weights"], tensors["bias"])
        classes = tuple(card.pop("classes"))
        return Probe(**card, classes=classes, solution=solution, trained=tensors["trained"])
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise _broken(folder, repr(error)) from error


def _digest(card: dict[str, Any], tensors: bytes) -> str:
    """SHA-256 of all that a probe is, its own digest aside."""
    return hashlib.sha256(json.dumps(card, sort_keys=True).encode() + tensors).hexdigest()


def _broken(folder: Path, why: str) -> EmbedtoolError:
    return EmbedtoolError(
        f"the probe {folder} is not whole: {why}. Train it again: embedtool probe train INDEX "
        f"--out {folder}"
    )
