"""The TensorFlow runtime: the reference in parity tests, and the path for a GPU."""

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedtool.backbones.folder import ModelFolder
from embedtool.backbones.quiet import hushed
from embedtool.errors import UsageError
from embedtool.types import Pixels

with hushed():  # TensorFlow greets on stderr while it is imported and at its first tensor
    import keras
    import tensorflow as tf

    from embedtool.backbones import network

    tf.zeros(1)


class TensorFlowNetwork:
    """uint8 (n, s, s, 3) -> float32 (n, d), not normalised. Safe to call from many threads."""

    batch_size = 32

    def __init__(self, model: ModelFolder, layer: str) -> None:
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        embed = network.embedding_model(model, layer)
        shape = (None, model.size, model.size, 3)
        self._call = tf.function(
            lambda pixels: embed(pixels, training=False),
            input_signature=[tf.TensorSpec(shape, tf.uint8)],
        )

    def forward(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        return np.asarray(self._call(tf.constant(pixels)))


class KerasIdiom:
    """What a Keras user writes: image_dataset_from_directory and model.predict."""

    def __init__(self, model: ModelFolder, layer: str) -> None:
        self._size = (model.size, model.size)
        self._embed = network.embedding_model(model, layer, dtype="float32")

    def images_per_second(self, folder: Path) -> float:
        """From files to vectors (n, d); building the model is not counted."""
        start = time.perf_counter()
        try:
            photos = keras.utils.image_dataset_from_directory(
                folder, labels=None, image_size=self._size, shuffle=False, verbose=False
            )
        except ValueError as error:
            raise UsageError(
                f"the Keras idiom reads JPEG, PNG, GIF and BMP alone; {folder} has none"
            ) from error
        vectors = self._embed.predict(photos, verbose=0)
        return len(vectors) / (time.perf_counter() - start)
