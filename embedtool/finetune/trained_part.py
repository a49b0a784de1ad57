"""The trained layers, above the cut, and the head on unit vectors. Uses TensorFlow."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from embedtool.errors import UsageError
from embedtool.finetune.frozen_part import ALL, NONE
from embedtool.finetune.settings import FinetuneSettings
from embedtool.models.keras_runtime import keras, mobilenet, tf
from embedtool.models.model_folder import ModelFolder

MOMENTUM = 0.9  # of batch norm from scratch: the default 0.999 is too slow for a few epochs
# Tensors by name, for unit vectors: "logits/kernel" (d, c) and "logits/bias" (c,); with a hidden
# layer, "hidden/kernel" (d, w) and "hidden/bias" (w,) before them.
Head = dict[str, npt.NDArray[np.float32]]


class TrainedPart:
    """The trained layers and the head, from activations at the cut to one logit per class.

    The head takes the vector that an index would store, normalised to length 1. So the head is also
    a classifier of stored vectors.
    """

    def __init__(
        self, model: ModelFolder, shape: tuple[int, ...], classes: int, settings: FinetuneSettings
    ) -> None:
        keras.utils.set_random_seed(settings.seed)
        self._from_scratch = settings.from_scratch
        if settings.mixed_precision and not tf.config.list_physical_devices("GPU"):
            raise UsageError(
                "mixed precision needs a GPU, but none was found. Leave out --mixed-precision"
            )
        with _policy("mixed_float16" if settings.mixed_precision else "float32"):
            self._build(model, shape, classes, settings)

    def _build(
        self, model: ModelFolder, shape: tuple[int, ...], classes: int, settings: FinetuneSettings
    ) -> None:
        self.network = mobilenet.build(model.alpha, model.size)
        for layer in self.network.layers:
            if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (1, 1):
                layer.convolution_op = _pointwise
        if settings.from_scratch:
            for layer in self.network.layers:
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.momentum = MOMENTUM
        else:
            mobilenet.set_tensors(self.network, model.tensors())
        rows = keras.Input(shape, dtype="uint8" if settings.unfreeze == ALL else "float32")
        pooled = rows
        self._trained: list[keras.layers.Layer] = []
        if settings.unfreeze != NONE:
            part, entry = self.network, rows
            if settings.unfreeze == ALL:
                scale = keras.layers.Rescaling((model.high - model.low) / 255, model.low)
                entry = scale(keras.ops.cast(rows, "float32"))
            else:
                below = self.network.get_layer(model.cuts()[settings.unfreeze])
                part = keras.Model(below.output, self.network.output)
            self._trained = part.layers
            pooled = keras.layers.GlobalAveragePooling2D(dtype="float32")(part(entry))
        d = int(pooled.shape[-1])
        # Times sqrt(d), the entries of a unit row have size 1 for any d, so that one learning rate
        # suits both the head and the layers below.
        unit = keras.layers.UnitNormalization(dtype="float32")(pooled)
        hidden = keras.layers.Rescaling(math.sqrt(d), dtype="float32")(unit)
        hidden = keras.layers.Dropout(settings.dropout)(hidden)
        self._head = []
        if settings.head_width:
            wide = keras.layers.Dense(
                settings.head_width, settings.head_activation, name="hidden", dtype="float32"
            )
            self._head.append(wide)
            hidden = keras.layers.Dropout(settings.dropout)(wide(hidden))
        self._head.append(keras.layers.Dense(classes, name="logits", dtype="float32"))
        logits = self._head[-1](hidden)
        self.model = keras.Model(rows, logits)
        self.vectors = keras.Model(rows, unit)
        self._root = math.sqrt(d)

    def freeze(self, frozen: bool) -> None:
        """Freeze all layers but the head, or unfreeze all layers above the cut.

        Batch norm stays frozen, so that it keeps its averages. Calling the network with
        training=False is not enough, since Keras 3 passes the mode of an outer model to the models
        inside it. From scratch there are no averages to keep.
        """
        for layer in self._trained:
            norm = isinstance(layer, keras.layers.BatchNormalization)
            layer.trainable = not frozen and (self._from_scratch or not norm)

    def trained_variables(self) -> "list[keras.Variable]":
        """Return the variables that training changes: weights, and the averages of batch norms that
        are not frozen. Averages of the latest weights would not fit averaged weights."""
        layers = (layer for layer in (*self._trained, *self._head) if layer.trainable)
        return [variable for layer in layers for variable in layer.variables]

    def measure_norms(self, batches: "Iterable[tf.Tensor]") -> None:
        """Set the averages of each trained batch norm to those of these batches of rows. Its moving
        averages are still close to their initial values after few steps."""
        norms = [
            layer
            for layer in self._trained
            if layer.trainable and isinstance(layer, keras.layers.BatchNormalization)
        ]
        seen = 0
        for rows in batches:
            for norm in norms:
                norm.momentum = seen / (seen + len(rows))
            self.model(rows, training=True)
            seen += len(rows)

    def start_head(self, probe: Head) -> None:
        """Start from a linear classifier. A head with a hidden layer keeps its random weights."""
        if len(self._head) == 1:
            kernel, bias = probe["logits/kernel"], probe["logits/bias"]
            self._head[0].set_weights([kernel / self._root, bias])

    def head(self) -> Head:
        tensors = {}
        for number, layer in enumerate(self._head):
            kernel, bias = (np.asarray(w, np.float32) for w in layer.get_weights())
            tensors[f"{layer.name}/kernel"] = kernel * np.float32(1 if number else self._root)
            tensors[f"{layer.name}/bias"] = bias
        return tensors

    def tensors(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the weights of the whole network, trained and frozen, by name."""
        return mobilenet.get_tensors(self.network)


@contextmanager
def _policy(name: str) -> Iterator[None]:
    """Set the precision of the Keras layers that are made inside. Later layers, with which the
    trained model is written, are float32 again."""
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(before)


def _pointwise(rows: "tf.Tensor", kernel: "tf.Tensor") -> "tf.Tensor":
    """Compute a 1 x 1 convolution as one matrix product. This saves 13 to 25 % of the processor
    time of a step on a CPU, where the gradients of a convolution are slower than of a product."""
    _, h, w, c = rows.shape
    flat = keras.ops.reshape(rows, (-1, c)) @ kernel[0, 0]
    return keras.ops.reshape(flat, (-1, h, w, kernel.shape[-1]))
