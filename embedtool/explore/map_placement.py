"""Place new vectors on a saved map, independently of each other.

The coordinates of a new vector depend only on it and on the vectors that were laid out. Placing
vectors in a batch, in another order or one at a time gives the same coordinates to the last bit.
A search for many vectors at once rounds differently from a search for one, so it only proposes
candidates. The similarities that are used are computed again, one vector at a time.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Progress
from embedtool.explore.map_file import SavedMap
from embedtool.explore.umap_layout import place_on_map
from embedtool.search.centre import directions
from embedtool.search.exact import nearest
from embedtool.store.writer import Writer

NEIGHBOURS = 15  # on the map, which decide where a new vector is placed
EXTRA_CANDIDATES = 16  # beyond those
ROUNDING = 1e-4  # a search may return two similarities this close in either order
BATCH = 4096
Neighbours = tuple[
    npt.NDArray[np.float64], npt.NDArray[np.int64]
]  # similarities and places, k each


def place_new_images(
    index: Writer, saved: SavedMap, *, progress: Progress | None = None
) -> SavedMap:
    """Return the map with the missing vectors of the index added. Vectors on it do not move."""
    new = index.places_after(0)
    new = new[~np.isin(new["id"], saved.ids, assume_unique=True)]
    if not new.size:
        return saved
    base = _LaidOut(index, saved)
    positions: list[npt.NDArray[np.float32]] = []
    for start in range(0, len(new), BATCH):
        part = new[start : start + BATCH]
        for candidates in base.candidates(part):
            place = part[len(positions) - start : len(positions) - start + 1]
            similarities, near = base.nearest(place, *candidates)
            positions.append(place_on_map(similarities, base.coordinates[near]))
            if progress:
                progress(len(positions), len(new), stage="placing new images")
    ids = np.concatenate([saved.ids, new["id"]])
    order = np.argsort(ids)
    return replace(
        saved,
        ids=ids[order],
        coordinates=np.concatenate([saved.coordinates, positions])[order],
        placed=np.concatenate([saved.placed, np.ones(len(new), np.bool_)])[order],
    )


class _LaidOut:
    """The vectors that were laid out, with their coordinates."""

    def __init__(self, index: Writer, saved: SavedMap) -> None:
        self.index = index
        self.centre = saved.centre
        self.places = index.places(saved.ids[~saved.placed].tolist())
        self.coordinates = saved.coordinates[~saved.placed]

    def candidates(
        self, part: npt.NDArray[np.void]
    ) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]:
        """Return similarities, descending, and ids for each vector at these PLACE records."""
        rows = directions(self.index.rows_at(part), self.centre)
        blocks = (
            (ids, directions(block, self.centre))
            for ids, block in self.index.blocks_at(self.places)
        )
        count = min(NEIGHBOURS + EXTRA_CANDIDATES, len(self.places))
        return list(zip(*nearest(rows, blocks, count), strict=True))

    def nearest(
        self,
        place: npt.NDArray[np.void],
        proposed: npt.NDArray[np.float32],
        ids: npt.NDArray[np.int64],
    ) -> Neighbours:
        """Return the NEIGHBOURS nearest of one vector, by similarity and then by id."""
        own = directions(self.index.rows_at(place), self.centre)[0].astype(np.float64)
        places = np.searchsorted(self.places["id"], np.sort(ids))
        similarities = self._similarities(own, places)
        order = np.lexsort((places, -similarities))[:NEIGHBOURS]
        if len(ids) < len(self.places) and similarities[order[-1]] - proposed[-1] < ROUNDING:
            # So many are equally near that the candidates may miss some: compare with all.
            places = np.arange(len(self.places))
            similarities = self._similarities(own, places)
            order = np.lexsort((places, -similarities))[:NEIGHBOURS]
        return similarities[order], places[order]

    def _similarities(
        self, own: npt.NDArray[np.float64], places: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """Return the similarities of one vector to those at places. Each is computed row by row,
        without a matrix product, so that it does not depend on the others."""
        parts = [
            (directions(rows, self.centre).astype(np.float64) * own).sum(1)
            for _, rows in self.index.blocks_at(self.places[places])
        ]
        return np.concatenate(parts)
