"""The saved map of an index: the coordinates of each vector, in a derived file."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedtool.store.derived import open_arrays, publish_arrays
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

NAME = "map"


@dataclass(frozen=True)
class SavedMap:
    """The coordinates of n vectors. A vector that was added after the layout is placed by the
    laid-out vectors alone, so that other placed vectors do not change its position."""

    ids: npt.NDArray[np.int64]  # (n,), of vectors, ascending
    coordinates: npt.NDArray[np.float32]  # (n, 2)
    placed: npt.NDArray[np.bool_]  # (n,)
    centre: npt.NDArray[np.float32]  # (d,), of the neighbour graph that was laid out
    neighbours: int
    seed: int


def read_map(index: IndexReader) -> SavedMap | None:
    """Return None if there is no saved map or its file is damaged."""
    opened = open_arrays(
        index.path,
        NAME,
        index.fingerprint,
        ids=(np.int64, "n"),
        coordinates=(np.float32, "nc"),
        placed=(np.bool_, "n"),
        centre=(np.float32, "d"),
    )
    if opened is None:
        return None
    about, arrays = opened
    neighbours, seed = about.get("neighbours"), about.get("seed")
    if not (isinstance(neighbours, int) and isinstance(seed, int)):
        return None
    saved = SavedMap(**arrays, neighbours=neighbours, seed=seed)
    whole = (
        (np.diff(saved.ids) > 0).all()
        and saved.coordinates.shape[1] == 2
        and np.isfinite(saved.coordinates).all()
        and len(saved.centre) == index.dim
    )
    return saved if whole else None


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
