"""Read the published modules of the full MobileNetV2 from their checkpoints. Imports TensorFlow.

A checkpoint is data. The graph of the module, in saved_model.pb, is neither loaded nor run.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from embedtool.errors import ModelUnavailable
from embedtool.models import mobilenet

ALPHA, SIZE = 1.0, 224
LOGITS = "MobilenetV2/Logits/Conv2d_1c_1x1"
CLASSIFIER = {f"{LOGITS}/weights": (1, 1, 1280, 1001), f"{LOGITS}/biases": (1001,)}
# What TensorFlow raises for a missing, shortened or changed file.
UNREADABLE = (tf.errors.OpError, DecodeError, ValueError, RuntimeError, LookupError)
Tensors = dict[str, npt.NDArray[np.float32]]


def network_tensors(module: Path) -> Tensors:
    """Return the weights of the full MobileNetV2 by Keras name.

    Raises ModelUnavailable if the names and shapes are not those of this network."""
    checkpoint = _Checkpoint(module)
    names = {own: name for name in checkpoint.shapes if (own := mobilenet.keras_name(name))}
    shapes = {own: checkpoint.shapes[name] for own, name in names.items()}
    mobilenet.check_shapes(mobilenet.build(ALPHA, SIZE), shapes)
    return {own: checkpoint.read(name) for own, name in names.items()}


def classifier_tensors(module: Path) -> Tensors:
    """Return the weights (1000, 1280) and the bias (1000,) of the ImageNet classifier.

    Raises ModelUnavailable if the module has no such classifier."""
    checkpoint = _Checkpoint(module)
    shapes = {name: checkpoint.shapes.get(name) for name in CLASSIFIER}
    if shapes != CLASSIFIER:
        raise ModelUnavailable(f"expected the classifier {CLASSIFIER}, received {shapes}")
    weights, bias = map(checkpoint.read, CLASSIFIER)
    # The first of its 1,001 outputs is "background", which is the label of no image.
    return {"weights": np.ascontiguousarray(weights[0, 0].T[1:]), "bias": bias[1:].copy()}


class _Checkpoint:
    """The float32 variables of a module. shapes: by the name of the variable."""

    def __init__(self, module: Path) -> None:
        self._prefix = str(module / "variables" / "variables")
        try:
            self._reader = tf.train.load_checkpoint(self._prefix)
            text = self._reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
            nodes = TrackableObjectGraph.FromString(text).nodes
            shapes = self._reader.get_variable_to_shape_map()
            types = self._reader.get_variable_to_dtype_map()
        except UNREADABLE as error:
            raise self._damaged(error) from error
        self._keys = {a.full_name: a.checkpoint_key for node in nodes for a in node.attributes}
        self.shapes = {
            name: tuple(shapes[key])
            for name, key in self._keys.items()
            if types.get(key) == tf.float32
        }

    def read(self, name: str) -> npt.NDArray[np.float32]:
        try:
            values: npt.NDArray[np.float32] = self._reader.get_tensor(self._keys[name])
        except UNREADABLE as error:
            raise self._damaged(error) from error
        return values

    def _damaged(self, error: Exception) -> ModelUnavailable:
        return ModelUnavailable(f"cannot read the checkpoint {self._prefix}: {error}")
