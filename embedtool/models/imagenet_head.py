"""The ImageNet classifier on top of the full network, and the names of its classes."""

import shutil
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedtool.core.foreign_files import read_json
from embedtool.core.softmax import softmax
from embedtool.core.types import Recipe, Vectors
from embedtool.errors import ModelMismatch, ModelOffline
from embedtool.models.cache import cache_folder
from embedtool.models.find_model import CLASSIFIER_HANDLE, is_available, require_network
from embedtool.models.model_folder import weights_digest
from embedtool.models.tensorflow_process import run_job

ARCHITECTURE, LAYER = "mobilenet_v2 1", "out_relu"  # as in a recipe
TENSORS, CARD = "head.safetensors", "head.json"
# The length of pooled activations before they are normalised, which no index stores. With 30, the
# most likely class is the same as with their true length for all of 186 clothing photos, and for
# 0.99 of 205 others.
ACTIVATION_LENGTH = 30.0


@dataclass(frozen=True)
class Head:
    """The classifier: logits of 1,000 classes are ACTIVATION_LENGTH * rows @ weights.T + bias."""

    weights: npt.NDArray[np.float32]  # (1000, 1280)
    bias: npt.NDArray[np.float32]  # (1000,)
    network: str  # digest of the weights of the network below it

    def probabilities(self, rows: Vectors) -> npt.NDArray[np.float32]:
        """Return the class probabilities (n, 1000) of unit rows (n, 1280)."""
        return softmax(ACTIVATION_LENGTH * (rows @ self.weights.T) + self.bias)


@lru_cache
def class_names() -> tuple[str, ...]:
    lines = (files("embedtool.models") / "imagenet_classes.txt").read_text("utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def imagenet_head(recipe: Recipe) -> Head:
    """Return the classifier for vectors of this recipe. The first time, import its TF Hub module.

    Raises ModelMismatch if the vectors are of another network or layer than it was trained on, and
    ModelOffline if the module is not cached and cannot be downloaded.
    """
    if (recipe.architecture, recipe.layer) != (ARCHITECTURE, LAYER):
        raise _mismatch()
    folder = cache_folder() / "heads" / "mobilenet_v2"
    if (head := _read(folder)) is None:
        shutil.rmtree(folder, ignore_errors=True)
        try:
            if not is_available(CLASSIFIER_HANDLE):
                require_network(CLASSIFIER_HANDLE, CLASSIFIER_HANDLE)
            run_job("import_head", handle=CLASSIFIER_HANDLE, target=str(folder))
        except ModelOffline as error:
            raise ModelOffline(
                f"naming by ImageNet needs the classifier {CLASSIFIER_HANDLE}, which is not "
                "cached and cannot be downloaded. Set TFHUB_CACHE_DIR to a folder that contains "
                "it, or name clusters by label: --name-by label"
            ) from error
        head = _read(folder)
    if head is None or head.network != recipe.weights:
        raise _mismatch()
    return head


def _mismatch() -> ModelMismatch:
    return ModelMismatch(
        "naming by ImageNet needs vectors of mobilenet_v2, from its last layer, but this index has "
        "others. Name clusters by label (--name-by label), or index with mobilenet_v2: "
        "embedtool index PHOTOS --model mobilenet_v2 --index indexes/NEW"
    )


def _read(folder: Path) -> Head | None:
    """Return the stored classifier, or None if it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(folder / TENSORS)
        card = read_json(folder / CARD, follow=True)
        if weights_digest(tensors) == card["sha256"]:
            return Head(tensors["weights"], tensors["bias"], card["features"])
    except (OSError, ValueError, KeyError, SafetensorError):
        pass
    return None
