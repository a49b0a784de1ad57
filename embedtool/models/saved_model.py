"""A SavedModel other than MobileNetV2, which the user named and which runs. Imports TensorFlow."""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from embedtool.errors import ModelUnavailable


class SavedModelLayer(keras.layers.Layer):  # type: ignore[misc]
    """A SavedModel as one layer: float32 (n, s, s, 3) -> (n, d)."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.call_saved, self.owner = saved_callable(str(path))

    def call(self, pixels: tf.Tensor) -> tf.Tensor:
        return self.call_saved(pixels)


def saved_callable(path: str) -> tuple[Any, Any]:
    """Return a function float32 (n, s, s, 3) -> (n, d), and the object that owns its variables."""
    saved = tf.saved_model.load(path)
    for name in ("serving_default", "default"):
        if name in saved.signatures:
            return _one_output(saved.signatures[name]), saved
    if not callable(saved):
        raise ModelUnavailable(
            f"expected a SavedModel that can be called or has a serving signature, received {path}"
        )
    return saved, saved


def _one_output(signature: Any) -> Any:
    """Wrap a signature, which takes its argument by name and returns a dict."""
    [argument] = signature.structured_input_signature[1]
    return lambda pixels: next(iter(signature(**{argument: pixels}).values()))
