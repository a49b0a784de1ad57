"""Above the cut: the layers that are trained, and the head on unit vectors. Owns TensorFlow."""

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

MOMENTUM = 0.9  # of batch norm from scratch: Keras's 0.999 lags behind a run of a few epochs
# By name, as it applies to unit vectors: "logits/kernel" (d, c), "logits/bias" (c,); with a hidden
# layer "hidden/kernel" (d, w) and "hidden/bias" (w,) before them.
Head = dict[str, npt.NDArray[np.float32]]


class TrainedPart:
    """Activations at the cut -> one logit for each class.

    The vector that an index would hold stands in the middle, and the head sees it as an index
    does: of length 1. So the head serves as a classifier of stored vectors.
    """

    def __init__(
        self, model: ModelFolder, shape: tuple[int, ...], classes: int, settings: FinetuneSettings
    ) -> None:
        keras.utils.set_random_seed(settings.seed)
        self._from_scratch = settings.from_scratch
        if settings.mixed_precision and not tf.config.list_physical_devices("GPU"):
            raise UsageError("mixed precision needs a GPU, none is found: leave it out")
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
        # Times sqrt(d) the entries of a unit row are of size 1, whatever d is: a step of the
        # learning rate then means as much to the head as to the layers below.
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
        """Leave the head alone to be trained, or all above the cut.

        Batch norm stays frozen, so that it keeps its averages: calling a network with
        training=False is not enough, for where models are nested Keras 3 hands the mode of the
        outer one to the inner one. From scratch it has none to keep.
        """
        for layer in self._trained:
            norm = isinstance(layer, keras.layers.BatchNormalization)
            layer.trainable = not frozen and (self._from_scratch or not norm)

    def trained_variables(self) -> "list[keras.Variable]":
        """What training changes: weights, and the averages of the batch norms that are not frozen,
        for those of the latest weights do not fit the mean of the weights."""
        layers = (layer for layer in (*self._trained, *self._head) if layer.trainable)
        return [variable for layer in layers for variable in layer.variables]

    def measure_norms(self, batches: "Iterable[tf.Tensor]") -> None:
        """Give each batch norm that is trained the averages of these batches of rows, in the place
        of those it has followed: few steps leave them near where they began."""
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
        """Begin with a linear classifier; a head with a hidden layer keeps its random start."""
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
        """The weights of the whole network, trained and frozen, by name."""
        return mobilenet.get_tensors(self.network)


@contextmanager
def _policy(name: str) -> Iterator[None]:
    """Keras's precision of the layers that are made meanwhile: those that are written out after the
    training are float32."""
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(before)


def _pointwise(rows: "tf.Tensor", kernel: "tf.Tensor") -> "tf.Tensor":
    """A 1 x 1 convolution as one matrix product: 13 to 25 % of the processor time of a step on a
    CPU, where the gradients of a convolution are slower than those of a product."""
    _, h, w, c = rows.shape
    flat = keras.ops.reshape(rows, (-1, c)) @ kernel[0, 0]
    return keras.ops.reshape(flat, (-1, h, w, kernel.shape[-1]))
