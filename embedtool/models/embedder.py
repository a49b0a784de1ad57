"""The Embedder interface: pixels to unit rows, with any runtime."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from embedtool.core.types import IMPORTED, Pixels, Recipe, Vectors, unit_rows
from embedtool.errors import ModelUnavailable, UsageError
from embedtool.images.decode import POLICY
from embedtool.models import Backbone, golden, reopen


class Embedder(Protocol):
    """An embedder of pixels as unit rows. Several threads may call `embed` at once."""

    fingerprint: str
    dim: int
    size: int
    batch_size: int  # the fastest one measured

    def embed(self, pixels: Pixels) -> Vectors:
        """Embed uint8 (n, s, s, 3) as float32 (n, d), C-contiguous, each row of length 1."""


class Network(Protocol):
    """A network in a runtime: uint8 (n, s, s, 3) -> float32 (n, d). Several threads may call it."""

    batch_size: int

    def forward(self, pixels: Pixels) -> npt.NDArray[np.float32]: ...


class NetworkEmbedder:
    """A backbone run by LiteRT (CPU) or by TensorFlow (GPU, and the reference)."""

    def __init__(self, backbone: Backbone, *, runtime: str = "litert") -> None:
        self.fingerprint = backbone.fingerprint
        self.dim = backbone.dim
        self.size = backbone.recipe.size
        if runtime == "litert":
            from embedtool.models.litert import LiteRTNetwork

            self._network: Network = LiteRTNetwork(backbone.compiled())
        elif runtime == "tensorflow":
            if backbone.recipe.precision != "float32":
                raise UsageError("the tensorflow runtime needs float32: pass --precision float32")
            from embedtool.models.tensorflow_runtime import TensorFlowNetwork

            self._network = TensorFlowNetwork(backbone.folder, backbone.recipe.layer)
        else:
            raise UsageError(f"expected runtime litert or tensorflow, received {runtime!r}")
        self.batch_size = self._network.batch_size

    def embed(self, pixels: Pixels) -> Vectors:
        found = self._network.forward(pixels)
        if found.shape != (len(pixels), self.dim):
            raise ModelUnavailable(
                f"expected a network with {self.dim} outputs, received {found.shape[1:]}. Copy the "
                "model folder again from its source"
            )
        return unit_rows(found)


class MeanColourEmbedder:
    """A fake embedder without a network: the mean colour of each grid cell, and a constant."""

    grid = 4
    dim = grid * grid * 3 + 1
    size = 32
    batch_size = 4
    recipe = Recipe("none", "mean colour", "grid", "mean", size, 0, 255, POLICY, "float32")
    fingerprint = recipe.fingerprint

    def embed(self, pixels: Pixels) -> Vectors:
        n, cell = len(pixels), self.size // self.grid
        cells = pixels.reshape(n, self.grid, cell, self.grid, cell, 3).mean((2, 4))
        return unit_rows(np.hstack([cells.reshape(n, -1), np.ones((n, 1))]))


def embedder_of(model: str, recipe: Recipe, *, runtime: str = "litert") -> Embedder:
    """Return the embedder that an index was made with.

    Raises ModelMismatch if it has changed, and ModelUnavailable for vectors made by another
    program."""
    if recipe.architecture == IMPORTED:
        raise ModelUnavailable(
            f"the vectors of this index were made by another program ({model}), so no new image "
            "can be embedded. Search by the path of an indexed image, or with --row N"
        )
    return NetworkEmbedder(reopen(model, recipe), runtime=runtime)


def embed_golden(embedder: Embedder) -> Vectors:
    """Return the vectors (3, d) of the reference images of `golden`."""
    return embedder.embed(golden.pixels(embedder.size))
