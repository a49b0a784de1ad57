"""The TensorFlow runtime: the reference in parity tests, and the path for a GPU."""

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Pixels
from embedtool.models.keras_runtime import mobilenet, tf
from embedtool.models.model_folder import ModelFolder


class TensorFlowNetwork:
    """A TensorFlow model: uint8 (n, s, s, 3) -> float32 (n, d), not normalised. Thread-safe."""

    batch_size = 32

    def __init__(self, model: ModelFolder, layer: str) -> None:
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        embed = mobilenet.embedding_model(model, layer)
        shape = (None, model.size, model.size, 3)
        self._call = tf.function(
            lambda pixels: embed(pixels, training=False),
            input_signature=[tf.TensorSpec(shape, tf.uint8)],
        )

    def forward(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        return np.asarray(self._call(tf.constant(pixels)))
