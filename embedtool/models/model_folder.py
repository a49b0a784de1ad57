"""A model folder: `model.json`, `weights.safetensors`, and possibly LiteRT files made from them.

`builtin` is part of the package; importing a TF Hub module creates a model folder in the user
cache; fine-tuning writes one. Pickle is never used. A SavedModel other than MobileNetV2 has its own
files, and model.json contains their path.
"""

import hashlib
import itertools
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.core.atomic_files import write_json
from embedtool.core.foreign_files import open_regular, read_json
from embedtool.core.paths import entries_below
from embedtool.core.types import check_types
from embedtool.errors import ModelUnavailable
from embedtool.models.cache import cache_folder
from embedtool.models.training_images import FILE, TrainingImages

MODEL_FORMAT = 2  # 1 has no training images
MOBILENET = "mobilenet_v2"
SAVED_MODEL = "saved_model"
FINAL_LAYER = "out_relu"
COPY_AGAIN = "Copy the model folder again from its source, or delete it and pull the model again"
LARGEST_SIZE, LARGEST_ALPHA = 4096, 2.0  # far more than any published network has
POOLED, UNPOOLED = "average", "none"  # how the output of a layer is pooled


@dataclass(frozen=True)
class ModelFolder:
    """The content of model.json."""

    path: Path
    name: str
    architecture: str  # MOBILENET, or SAVED_MODEL for an opaque embedder
    weights: str  # SHA-256 of the values: weights_digest, or of all files of a SavedModel
    size: int  # pixels along one side
    low: float
    high: float  # the network sees pixels scaled to [low, high]
    layers: dict[str, int]  # layer name -> channels, in the order of the network
    layer: str  # the layer that is pooled by default
    precision: str = "float32"  # the default
    alpha: float = 1.0
    saved_model: str = ""  # path of the files of an opaque embedder
    compiled: dict[str, str] = field(default_factory=dict)  # LiteRT file -> its SHA-256
    card: dict[str, Any] = field(default_factory=dict)
    training_images: str = ""  # SHA-256 of their file; "" if the network was not fine-tuned

    def __post_init__(self) -> None:
        check_types(self)
        if not all(isinstance(channels, int) for channels in self.layers.values()):
            raise TypeError("layers has a number of channels of another type than int")
        if not (0 < self.size <= LARGEST_SIZE and 0 < self.alpha <= LARGEST_ALPHA):
            raise ValueError(f"size {self.size} or alpha {self.alpha} is out of range")

    @property
    def weights_file(self) -> Path:
        return self.path / "weights.safetensors"

    def checked_saved_model(self) -> Path:
        """Return the SavedModel of an opaque embedder, checked against its digest."""
        path = Path(self.saved_model)
        if not path.is_dir() or files_digest(path) != self.weights:
            raise ModelUnavailable(
                f"{path} is missing or has changed since it was imported. Restore it, or name it "
                f"again: embedtool model import {shlex.quote(self.saved_model)}"
            )
        return path

    def cuts(self) -> dict[str, str]:
        """Return where a MobileNetV2 can be cut in two: first part after a cut -> layer before it.

        A part is an inverted residual block, or the last convolution with everything after it. No
        shortcut connection crosses a cut. The cuts are in the order of the network.
        """
        found = {}
        for below, layer in itertools.pairwise(self.layers):
            if match := re.fullmatch(r"(block_\d+)_expand|(Conv_1)", layer):
                found[match[1] or match[2]] = below
        return found

    def tensors(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the weights by "<layer>/<weight>", checked against their digest."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            open_regular(self.weights_file, follow=True).close()  # load_file waits for a pipe
            tensors: dict[str, npt.NDArray[np.float32]] = load_file(self.weights_file)
        except (OSError, SafetensorError) as error:
            raise ModelUnavailable(
                f"cannot read {self.weights_file}: {error}. {COPY_AGAIN}"
            ) from error
        if weights_digest(tensors) != self.weights:
            raise ModelUnavailable(
                f"{self.weights_file} does not match its model.json (digests differ). {COPY_AGAIN}"
            )
        return tensors

    def read_training_images(self) -> TrainingImages:
        """Return the images that this network was fine-tuned on. Raises ModelUnavailable."""
        if not self.training_images:  # format 1 did not record them
            return TrainingImages(complete="finetuned_from" not in self.card)
        file = self.path / FILE
        try:
            with open_regular(file, follow=True) as opened:
                content = opened.read()
            if hashlib.sha256(content).hexdigest() == self.training_images:
                return TrainingImages.from_bytes(content)
            why = "its SHA-256 differs from that in model.json"
        except (OSError, ValueError) as error:
            why = str(error)
        raise ModelUnavailable(f"cannot read {file}: {why}. {COPY_AGAIN}")


def read_folder(path: Path) -> ModelFolder:
    """Read a model folder.

    Raises ModelUnavailable if model.json is missing, broken or of a later format, or if it refers
    to a SavedModel and is not in the user cache: only the user may name a SavedModel."""
    try:
        card = read_json(path / "model.json", follow=True)
        version = card.pop("format")
        if version > MODEL_FORMAT:
            raise ModelUnavailable(
                f"{path} has model format {version}; this embedtool reads up to {MODEL_FORMAT}. "
                "Install a newer embedtool"
            )
        model = ModelFolder(path=path, **card)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelUnavailable(f"expected a model folder at {path}: {error}") from error
    own = path.resolve().parent == (cache_folder() / "models").resolve()
    if model.architecture != MOBILENET and not own:
        raise ModelUnavailable(
            f"expected a MobileNetV2 in the model folder {path}, received the architecture "
            f"{model.architecture!r}. To use a SavedModel, name its own folder: embedtool model "
            "import FOLDER"
        )
    return model


def write_folder(
    model: ModelFolder,
    tensors: Mapping[str, npt.NDArray[np.float32]] | None = None,
    training_images: TrainingImages | None = None,
) -> ModelFolder:
    """Write model.json, and the weights of a MobileNetV2, into model.path. Return what was written.

    training_images: those of a fine-tuned network; they are written too."""
    if training_images is not None:
        content = training_images.to_bytes()
        (model.path / FILE).write_bytes(content)
        model = replace(model, training_images=hashlib.sha256(content).hexdigest())
    if tensors is not None:
        from safetensors.numpy import save

        model.weights_file.write_bytes(save(dict(tensors)))
    text = {"format": MODEL_FORMAT, **asdict(model)}
    del text["path"]
    write_json(model.path / "model.json", text)
    return model


def weights_digest(tensors: Mapping[str, npt.NDArray[np.float32]]) -> str:
    """Return the SHA-256 over names, shapes and little-endian float32 values, sorted by name.

    The same weights have the same digest, whatever file they come from."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        values = np.ascontiguousarray(tensors[name], dtype="<f4")
        digest.update(f"{name}{values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def files_digest(folder: Path) -> str:
    """Return the SHA-256 over the names and bytes of all files below a folder."""
    digest = hashlib.sha256()
    for file in sorted(Path(entry.path) for entry in entries_below(folder) if entry.is_file()):
        with open_regular(file, follow=True) as opened:
            inner = hashlib.file_digest(opened, "sha256").hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()}\0{inner}\n".encode())
    return digest.hexdigest()
