"""The saved map of an index: where each vector stands, a derived file; and what a map is to those
who show it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedtool.errors import UsageError
from embedtool.store.derived import open_arrays, publish_arrays
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

NAME = "map"


@dataclass(frozen=True)
class SavedMap:
    """Where n vectors stand. A vector that came after the map was laid out is placed: by those that
    were laid out alone, so that it stands where it would have alone."""

    ids: npt.NDArray[np.int64]  # (n,), of vectors, ascending
    coordinates: npt.NDArray[np.float32]  # (n, 2)
    placed: npt.NDArray[np.bool_]  # (n,)
    centre: npt.NDArray[np.float32]  # (d,), of the graph it was laid out by
    neighbours: int
    seed: int


@dataclass(frozen=True)
class Map:
    """The n images of an index on a plane, in the order of their ids; copies stand in one place.

    clusters: (n,) places in cluster_names, -1 for noise and for what came after `cluster` ran;
    None where it never did. predictions: a class of each image, and probabilities (n,) how likely
    that is; None until `with_predictions`.
    """

    index: Path
    paths: tuple[Path, ...]
    vectors: npt.NDArray[np.int64]  # (n,)
    coordinates: npt.NDArray[np.float32]  # (n, 2)
    placed: npt.NDArray[np.bool_]  # (n,), after the map was laid out
    labels: tuple[str, ...]  # the name of the folder each stands in
    folders: tuple[str, ...]
    dates: npt.NDArray[np.datetime64]  # (n,), seconds, by the clock here, of the last modification
    clusters: npt.NDArray[np.int32] | None
    cluster_names: tuple[str, ...]
    neighbours: int
    seed: int
    notes: tuple[str, ...]
    predictions: tuple[str, ...] | None = None
    probabilities: npt.NDArray[np.float32] | None = None

    def with_predictions(
        self, paths: Sequence[Path], classes: Sequence[str], probabilities: Sequence[float]
    ) -> "Map":
        """Return the map with a class for each image, and how likely that class is.

        paths: the images in the order of the map, as `predict_images` has them.
        Raises UsageError if they are other images than the map's.
        """
        if tuple(paths) != self.paths:
            raise UsageError(
                f"expected predictions for the {len(self.paths):,} images of the map in its order, "
                f"received {len(paths):,}: the index has changed meanwhile. Run the same again"
            )
        likely = np.array(probabilities, np.float32)
        return replace(self, predictions=tuple(classes), probabilities=likely)


def read_map(index: IndexReader) -> SavedMap | None:
    """None where there is none, or its file is damaged."""
    opened = open_arrays(index.path, NAME, index.fingerprint)
    if opened is None:
        return None
    about, arrays = opened
    return SavedMap(**arrays, neighbours=about["neighbours"], seed=about["seed"])


def save_map(index: Writer, saved: SavedMap) -> None:
    publish_arrays(
        index.path,
        NAME,
        {"neighbours": saved.neighbours, "seed": saved.seed},
        fingerprint=index.fingerprint,
        ids=saved.ids,
        coordinates=saved.coordinates,
        placed=saved.placed,
        centre=saved.centre,
    )
