"""The saved map of an index: where each vector stands, a derived file; and what a map is to those
who show it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedtool.store.derived import open_arrays, publish_arrays
from embedtool.store.reader import Index
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
    None where it never did. predictions: the likeliest class of each, and probabilities (n,) how
    likely that is; None where no probe was asked.
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
    predictions: tuple[str, ...] | None
    probabilities: npt.NDArray[np.float32] | None
    neighbours: int
    seed: int
    notes: tuple[str, ...]


def read_map(index: Index) -> SavedMap | None:
    """None where there is none, or its file is damaged."""
    opened = open_arrays(index.path, NAME, index.fingerprint)
    if opened is None:
        return None
    about, arrays = opened
    return SavedMap(**arrays, neighbours=about["neighbours"], seed=about["seed"])


def keep_map(index: Writer, saved: SavedMap) -> None:
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
