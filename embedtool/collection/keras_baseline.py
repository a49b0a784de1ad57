"""The Keras idiom that the benchmark compares with."""

import time
from pathlib import Path

from embedtool.errors import UsageError
from embedtool.models.keras_runtime import keras, mobilenet
from embedtool.models.model_folder import ModelFolder


class KerasBaseline:
    """The code that Keras users write: image_dataset_from_directory and model.predict."""

    def __init__(self, model: ModelFolder, layer: str) -> None:
        self._size = (model.size, model.size)
        self._embed = mobilenet.embedding_model(model, layer, dtype="float32")

    def images_per_second(self, folder: Path) -> float:
        """Measure the speed from files to vectors (n, d), without building the model."""
        start = time.perf_counter()
        try:
            photos = keras.utils.image_dataset_from_directory(
                folder, labels=None, image_size=self._size, shuffle=False, verbose=False
            )
        except ValueError as error:
            raise UsageError(
                f"expected photos that Keras can read (JPEG, PNG, GIF or BMP), and {folder} has "
                "none. Choose another folder"
            ) from error
        vectors = self._embed.predict(photos, verbose=0)
        return len(vectors) / (time.perf_counter() - start)
