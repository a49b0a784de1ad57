"""A probe as a folder: `probe.json` and `probe.safetensors`, no pickle.

The JSON says what the probe is and where it comes from, and has the digest of itself and of the
tensors: weights (c, d) and bias (c,), float32, and `trained` (n, 32), the SHA-256 of each image
learned from, so that a later score can tell whether it is of new images. With a hidden layer, of
which the JSON has the activation, there are `hidden_weights` (w, d) and `hidden_bias` (w,), and
weights are (c, w).
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save
from scipy.special import erf

from embedtool.classification.logistic_regression import LinearClassifier
from embedtool.core.atomic_files import publish_folder, write_json
from embedtool.core.types import PathLike, Progress, Vectors
from embedtool.errors import EmbedtoolError, ModelMismatch
from embedtool.store.reader import IndexReader

LINEAR_FORMAT, PROBE_FORMAT = 1, 2  # without a hidden layer it is as it was before there were any
CARD, TENSORS = "probe.json", "probe.safetensors"
PROBE_FOLDER = "probe"  # of a fine-tuned model, in its own folder
STANDARDISATION = "none: unit vectors as stored"  # centring and scaling each measured no gain
ACTIVATIONS: dict[str, Callable[[Vectors], Vectors]] = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: x * (1 + erf(x / np.float32(np.sqrt(2)))) / 2,
    "tanh": np.tanh,
}


@dataclass(frozen=True)
class Hidden:
    """A layer below the logits, activation(x @ weights.T + bias): weights (w, d), bias (w,)."""

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    activation: str  # of ACTIVATIONS

    def values(self, rows: Vectors) -> Vectors:
        """(n, w), of rows (n, d)."""
        return ACTIVATIONS[self.activation](rows @ self.weights.T + self.bias)


@dataclass(frozen=True)
class Probe:
    """A classifier of the vectors of one model: linear, or with a hidden layer."""

    classes: tuple[str, ...]
    model: str
    fingerprint: str  # of the vectors that it was trained on and predicts
    strength: float  # C
    temperature: float  # that the classifier's logits were divided by
    balanced: bool
    seed: int
    report: dict[str, Any]  # what was measured as it was trained
    classifier: LinearClassifier
    training_digests: npt.NDArray[np.uint8]  # (n, 32)
    hidden: Hidden | None = None
    folder: Path | None = None  # where it was read from, or written to

    def probabilities(self, rows: Vectors) -> npt.NDArray[np.float32]:
        """(n, c), of unit rows (n, d)."""
        return self.classifier.probabilities(self.hidden.values(rows) if self.hidden else rows)

    def check_fingerprint(self, fingerprint: str, index: PathLike) -> None:
        """Raise ModelMismatch where the vectors of an index are not those the probe is for."""
        if fingerprint != self.fingerprint:
            raise ModelMismatch(
                f"this probe is for vectors of {self.model} ({self.fingerprint[:12]}), those of "
                f"{index} are others ({fingerprint[:12]}). Train one for them: "
                f"embedtool probe train {index} --out PROBE"
            )

    def predict(
        self, index: IndexReader, vectors: npt.NDArray[np.int64], progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """Return the probabilities (n, c) of vectors by id, ascending, read a block at a time."""
        found = np.empty((len(vectors), len(self.classes)), np.float32)
        done = 0
        for ids, rows in index.blocks_at(index.places(vectors.tolist())):
            found[done : done + len(ids)] = self.probabilities(rows)
            done += len(ids)
            if progress:
                progress(done, len(vectors), stage="predicting")
        return found

    def was_trained_on(self, digests: tuple[bytes, ...]) -> npt.NDArray[np.bool_]:
        """Return whether the probe was trained on each of n contents (n,)."""
        own = {row.tobytes() for row in self.training_digests}
        return np.array([digest in own for digest in digests], np.bool_)


def write_probe(probe: Probe, path: PathLike) -> None:
    """Write a probe's folder, whole or not at all, in place of an earlier probe.

    Raises EmbedtoolError where something else has that name.
    """
    target = Path(path)
    if target.exists() and not (target / CARD).is_file():
        raise EmbedtoolError(f"{target} is there already and is no probe: name another with --out")
    classifier, hidden = probe.classifier, probe.hidden
    arrays = {
        "weights": classifier.weights,
        "bias": classifier.bias,
        "trained": probe.training_digests,
    }
    card = asdict(probe)
    for other in ("classifier", "training_digests", "hidden", "folder"):
        del card[other]
    if hidden:
        arrays |= {"hidden_weights": hidden.weights, "hidden_bias": hidden.bias}
        card["activation"] = hidden.activation
    tensors = save(arrays)
    card = {
        "embedtool probe": PROBE_FORMAT if hidden else LINEAR_FORMAT,
        "standardisation": STANDARDISATION,
        **card,
    }
    card["sha256"] = _digest(card, tensors)
    with publish_folder(target, existing="replace") as draft:
        (draft / TENSORS).write_bytes(tensors)
        write_json(draft / CARD, card)


def read_probe(path: PathLike) -> Probe:
    """Read the probe of a folder: a probe's own, or that of a fine-tuned model, which has one.

    Raises EmbedtoolError where the folder is neither, is not whole, or is of a later format.
    """
    folder = Path(path)
    if not (folder / CARD).is_file():
        folder /= PROBE_FOLDER
    if not (folder / CARD).is_file():
        folder = folder.parent
        raise EmbedtoolError(
            f"expected the folder of a probe or of a fine-tuned model, found no {CARD} at "
            f"{folder}. Make one: embedtool probe train INDEX --out {folder}"
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
        hidden = None
        if version > LINEAR_FORMAT:
            activation = card.pop("activation")
            if activation not in ACTIVATIONS:
                raise _broken(folder, f"its activation is {activation!r}")
            hidden = Hidden(tensors["hidden_weights"], tensors["hidden_bias"], activation)
        return Probe(
            **card | {"classes": tuple(card["classes"])},
            classifier=LinearClassifier(tensors["weights"], tensors["bias"]),
            training_digests=tensors["trained"],
            hidden=hidden,
            folder=folder,
        )
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
