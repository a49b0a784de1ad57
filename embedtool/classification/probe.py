"""A probe as a folder: `probe.json` and `probe.safetensors`, no pickle.

The JSON describes the probe and its training, and has the digest of itself and of the tensors.
These are float32 weights (c, d) and bias (c,), and `trained` (n, 16), salted digests of the
training images, which no later score may use; formats 1 and 2 had their SHA-256 (n, 32). A probe
with a hidden layer also has `hidden_weights` (w, d) and `hidden_bias` (w,), weights are (c, w), and
the JSON has the activation.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save
from scipy.special import erf

from embedtool.classification.logistic_regression import LinearClassifier
from embedtool.core.atomic_files import publish_folder, write_json
from embedtool.core.foreign_files import open_regular, read_json
from embedtool.core.types import PathLike, Progress, Vectors
from embedtool.errors import EmbedtoolError, ModelMismatch
from embedtool.models.training_images import TrainingImages
from embedtool.store.reader import IndexReader

PROBE_FORMAT = 3
CARD, TENSORS = "probe.json", "probe.safetensors"
PROBE_FOLDER = "probe"  # the probe of a fine-tuned model, inside the model's folder
LARGEST = 1e6  # of a weight, a strength or a temperature; those of a real probe are far below
STANDARDISATION = "none: unit vectors as stored"  # neither centring nor scaling gained anything
ACTIVATIONS: dict[str, Callable[[Vectors], Vectors]] = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: x * (1 + erf(x / np.float32(np.sqrt(2)))) / 2,
    "tanh": np.tanh,
}


@dataclass(frozen=True)
class Hidden:
    """A hidden layer, activation(x @ weights.T + bias): weights (w, d), bias (w,)."""

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    activation: str  # of ACTIVATIONS

    def values(self, rows: Vectors) -> Vectors:
        """Return the activations (n, w) of rows (n, d)."""
        return ACTIVATIONS[self.activation](rows @ self.weights.T + self.bias)


@dataclass(frozen=True)
class Probe:
    """A classifier of the vectors of one model: linear, or with a hidden layer."""

    classes: tuple[str, ...]
    model: str
    fingerprint: str  # of the vectors that it was trained on and can predict
    strength: float  # C
    temperature: float  # by which the classifier's logits were divided
    balanced: bool
    seed: int
    report: dict[str, Any]  # the scores measured during training
    classifier: LinearClassifier
    training_images: TrainingImages
    hidden: Hidden | None = None
    folder: Path | None = None  # that it was read from or written to

    def probabilities(self, rows: Vectors) -> npt.NDArray[np.float32]:
        """Return the probabilities (n, c) of unit rows (n, d). Raises ModelMismatch for another
        d."""
        dim = (self.hidden or self.classifier).weights.shape[1]
        if rows.shape[1] != dim:
            raise ModelMismatch(
                f"expected vectors of {dim} dimensions, as this probe has weights for, received "
                f"{rows.shape[1]}. Train it again: embedtool probe train INDEX --out PROBE"
            )
        return self.classifier.probabilities(self.hidden.values(rows) if self.hidden else rows)

    def check_fingerprint(self, fingerprint: str, index: PathLike) -> None:
        """Raise ModelMismatch if the probe cannot predict the vectors of an index."""
        if fingerprint != self.fingerprint:
            raise ModelMismatch(
                f"this probe is for vectors of {self.model} (fingerprint {self.fingerprint[:12]}), "
                f"but the vectors of {index} have fingerprint {fingerprint[:12]}. Train a probe "
                f"for this index: embedtool probe train {index} --out PROBE"
            )

    def predict(
        self, index: IndexReader, vectors: npt.NDArray[np.int64], progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """Return the probabilities (n, c) of vectors, given by ascending ids. Reads them in
        blocks."""
        found = np.empty((len(vectors), len(self.classes)), np.float32)
        done = 0
        for ids, rows in index.blocks_at(index.places(vectors.tolist())):
            found[done : done + len(ids)] = self.probabilities(rows)
            done += len(ids)
            if progress:
                progress(done, len(vectors), stage="predicting")
        return found


def write_probe(probe: Probe, path: PathLike) -> None:
    """Write a probe's folder atomically. An earlier probe is replaced.

    Raises EmbedtoolError if anything else has this name.
    """
    target = Path(path)
    if os.path.lexists(target) and not _is_probe_folder(target):
        raise EmbedtoolError(f"{target} already exists and is not a probe. Choose another --out")
    classifier, hidden = probe.classifier, probe.hidden
    [(salt, trained)] = probe.training_images.parts
    arrays = {"weights": classifier.weights, "bias": classifier.bias, "trained": trained}
    others = ("classifier", "training_images", "hidden", "folder")
    card = {field.name: getattr(probe, field.name) for field in fields(probe)}
    card = {name: value for name, value in card.items() if name not in others}
    if hidden:
        arrays |= {"hidden_weights": hidden.weights, "hidden_bias": hidden.bias}
        card["activation"] = hidden.activation
    tensors = save(arrays)
    card = {
        "embedtool probe": PROBE_FORMAT,
        "salt": salt.hex(),
        "standardisation": STANDARDISATION,
        **card,
    }
    card["sha256"] = _digest(card, tensors)
    with publish_folder(target, existing="replace") as draft:
        (draft / TENSORS).write_bytes(tensors)
        write_json(draft / CARD, card)


def _is_probe_folder(folder: Path) -> bool:
    """Return whether a folder has the files of a probe, and nothing else that would be lost."""
    return folder.is_dir() and {path.name for path in folder.iterdir()} == {CARD, TENSORS}


def read_probe(path: PathLike) -> Probe:
    """Read the probe from its folder, or from the folder of a fine-tuned model, which contains one.

    Raises EmbedtoolError if the folder is neither, is damaged, or has a newer format.
    """
    folder = Path(path)
    if not (folder / CARD).is_file():
        folder /= PROBE_FOLDER
    if not (folder / CARD).is_file():
        folder = folder.parent
        raise EmbedtoolError(
            f"expected the folder of a probe or of a fine-tuned model, but there is no {CARD} in "
            f"{folder}. Make one: embedtool probe train INDEX --out {folder}"
        )
    try:
        card = dict(read_json(folder / CARD, follow=True))
        if (version := int(card["embedtool probe"])) > PROBE_FORMAT:
            raise EmbedtoolError(
                f"{folder} has probe format {version}; this embedtool reads up to {PROBE_FORMAT}. "
                "Install a newer embedtool"
            )
        with open_regular(folder / TENSORS, follow=True) as file:
            content = file.read()
        if card.pop("sha256") != _digest(card, content):
            raise _broken(folder, f"{CARD} or {TENSORS} has changed (SHA-256 differs)")
        del card["embedtool probe"]
        standardisation = card.pop("standardisation")
        if standardisation != STANDARDISATION:
            raise _broken(folder, f"its standardisation, {standardisation!r}, is unknown")
        tensors = load(content)
        trained = tensors["trained"]
        if trained.ndim != 2 or trained.dtype != np.uint8 or trained.shape[1] not in (16, 32):
            raise _broken(folder, f"{TENSORS} has no digests of training images")
        if version < PROBE_FORMAT:
            images = training_images(map(bytes, trained), str(card["fingerprint"]))
        else:
            images = TrainingImages(((bytes.fromhex(card.pop("salt")), trained),))
        hidden = None
        if activation := card.pop("activation", None):
            if activation not in ACTIVATIONS:
                raise _broken(folder, f"it uses an unknown activation, {activation!r}")
            hidden = Hidden(tensors["hidden_weights"], tensors["hidden_bias"], activation)
        probe = Probe(
            **card | {"classes": tuple(card["classes"])},
            classifier=LinearClassifier(tensors["weights"], tensors["bias"]),
            training_images=images,
            hidden=hidden,
            folder=folder,
        )
        if not (_has_own_types(probe) and _has_own_shapes(probe)):
            raise _broken(folder, f"{CARD} or {TENSORS} has values of another type or shape")
        return probe
    except (
        *(OSError, ValueError, TypeError, KeyError),
        *(OverflowError, AttributeError, SafetensorError),
    ) as error:
        raise _broken(folder, repr(error)) from error


def _has_own_types(probe: Probe) -> bool:
    return (
        all(isinstance(own, str) for own in (*probe.classes, probe.model, probe.fingerprint))
        and 1 < len(probe.classes) == len(set(probe.classes))
        and all(
            isinstance(own, int | float) and 0 < own < LARGEST
            for own in (probe.strength, probe.temperature)
        )
        and isinstance(probe.balanced, bool)
        and isinstance(probe.seed, int)
        and isinstance(probe.report, dict)
    )


def _has_own_shapes(probe: Probe) -> bool:
    """Return whether the tensors of a probe fit together and are finite."""
    layers: list[LinearClassifier | Hidden] = [probe.classifier]
    if probe.hidden:
        layers.append(probe.hidden)
    return (
        all(
            own.weights.ndim == 2
            and own.weights.shape[1] > 0
            and own.bias.shape == own.weights.shape[:1]
            and own.weights.dtype == own.bias.dtype == np.float32
            and bool((np.abs(own.weights) < LARGEST).all() and (np.abs(own.bias) < LARGEST).all())
            for own in layers
        )
        and len(probe.classes) == len(probe.classifier.bias)
        and (not probe.hidden or probe.classifier.weights.shape[1] == len(probe.hidden.bias))
    )


def training_images(digests: Iterable[bytes], fingerprint: str) -> TrainingImages:
    """Return the training images of a probe, given the SHA-256 of each.

    fingerprint: that of the vectors. It is the salt, so two probes of one network can be compared.
    """
    return TrainingImages.of(digests, bytes.fromhex(fingerprint))


def _digest(card: dict[str, Any], tensors: bytes) -> str:
    """Return the SHA-256 of a probe's card, without the digest itself, and of its tensors."""
    return hashlib.sha256(json.dumps(card, sort_keys=True).encode() + tensors).hexdigest()


def _broken(folder: Path, why: str) -> EmbedtoolError:
    return EmbedtoolError(
        f"the probe {folder} is damaged: {why}. Train it again: embedtool probe train INDEX "
        f"--out {folder}"
    )
