"""The nearest neighbours of many vectors of an index, which make a neighbour graph.

A vector is not its own neighbour. Cosines are computed after subtracting a centre, the mean of the
collection: vectors of photos share a common direction, and the few that lie closest to it would be
neighbours of all others. The search is exact up to EXACT_ROWS. Above, the approximate index is
searched from each vector, and the candidates that it proposes are compared exactly.
"""

from collections import deque
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from embedtool.core.threads import single_threaded_blas
from embedtool.core.types import Progress, Vectors
from embedtool.search.centre import Centre, directions
from embedtool.search.exact import Block, Similarities, inner_products_at, nearest, single_core_pool
from embedtool.search.faiss_index import FaissIndex
from embedtool.search.results import EXACT_ROWS
from embedtool.search.searcher import open_faiss_index
from embedtool.store.reader import IndexReader

ROWS_PER_READ = 512  # read by each thread at a time: 2.6 MB
# At 100,000 vectors, recall is 0.93, and 0.94 once the graph is symmetrised.
GRAPH_BREADTH = 16
CANDIDATES_PER_NEIGHBOUR = 2  # candidates that are compared
ROWS_AT_ONCE = 4096  # 21 MB at d = 1,280
IN_MEMORY_VECTORS = 131_072  # 671 MB at d = 1,280. Above, rows are read when they are needed
Places = npt.NDArray[np.void]  # PLACE records, see embedtool.store.reader
Rows = npt.NDArray[np.int64]


class AllPairs:
    """All vectors of an index, at PLACE records (n,) sorted by id, relative to a centre.

    Internally they are in the order of the approximate index, in which similar vectors are
    adjacent.
    """

    def __init__(self, index: IndexReader, places: Places, centre: Centre) -> None:
        self._index = index
        self._centre = centre
        opened = open_faiss_index(index, in_memory=True) if len(places) > EXACT_ROWS else None
        self._approximate = opened and opened[0]
        self._order = np.arange(len(places))  # the position in places of each internal row
        if opened:
            approximate, certificate = opened
            for ids, rows in index.blocks_at(places[places["id"] > certificate.last_id]):
                approximate.add(ids, rows)
            stored = approximate.ids()
            self._labels = np.flatnonzero(np.isin(stored, places["id"]))  # others were removed
            self._order = np.searchsorted(places["id"], stored[self._labels])
            self._of_label = np.full(len(stored) + 1, -1)  # internal rows; the last: for label -1
            self._of_label[self._labels] = np.arange(len(places))
        self._rows = np.argsort(self._order)  # the inverse of _order
        self._places = places[self._order]
        self._in_memory: Vectors | None = None
        self._read()

    def nearest(
        self, which: Rows, k: int, *, exact: bool = False, progress: Progress | None = None
    ) -> tuple[Similarities, Rows]:
        """Return similarities (m, k), descending, and positions (m, k) of the k nearest neighbours.

        If there are fewer than k, the rest is -inf and -1. which: positions (m,) in `places` of the
        vectors to search from. exact: search exactly above EXACT_ROWS too, which is slow for many.
        """
        order = np.argsort(self._rows[which])
        best = np.empty((len(which), k), np.float32)
        found = np.empty((len(which), k), np.int64)
        approximate = None if exact else self._approximate

        def find(start: int) -> int:
            part = order[start : start + ROWS_AT_ONCE]
            rows = self._rows[which[part]]
            if approximate is None:
                best[part], found[part] = self._exact_neighbours(rows, k)
            else:
                best[part], found[part] = self._approximate_neighbours(approximate, rows, k)
            return start + len(part)

        starts = range(0, len(which), ROWS_AT_ONCE)
        with single_core_pool() as pool:
            for done in (map if approximate is None else pool.map)(find, starts):
                if progress:
                    progress(done, len(which), stage="finding neighbours")
        return best, found

    def _exact_neighbours(self, rows: Rows, k: int) -> tuple[Similarities, Rows]:
        best, found = nearest(self._directions(rows), self._blocks(), k + 1)
        own = found == self._order[rows, None]
        own[~own.any(1), -1] = True  # equal vectors came first: drop the last one instead
        return best[~own].reshape(len(rows), k), found[~own].reshape(len(rows), k)

    def _approximate_neighbours(
        self, approximate: FaissIndex, rows: Rows, k: int
    ) -> tuple[Similarities, Rows]:
        gone = 1 - len(self._labels) / approximate.count
        count = int(CANDIDATES_PER_NEIGHBOUR * (k + 1) * (1 + 2 * gone))
        directions = self._directions(rows)
        proposed = self._of_label[
            approximate.propose_neighbours(self._labels[rows], directions, count, GRAPH_BREADTH)
        ]
        near = self._similarities(directions, proposed.clip(min=0))
        near[(proposed < 0) | (proposed == rows[:, None])] = -np.inf
        order = np.argsort(-near, axis=1, kind="stable")[:, :k]
        near = np.take_along_axis(near, order, 1)
        found = self._order[np.take_along_axis(proposed, order, 1)]
        return near, np.where(np.isneginf(near), -1, found)

    def _similarities(self, directions: Vectors, rows: Rows) -> Similarities:
        """Return the similarities (m, c) of each direction (m, d) to its rows (m, c)."""
        if self._in_memory is not None:
            return inner_products_at(directions, self._in_memory, rows).clip(-1, 1)
        needed, where = np.unique(rows, return_inverse=True)
        return inner_products_at(directions, self._directions(needed), where).clip(-1, 1)

    def _directions(self, rows: Rows | slice) -> Vectors:
        if self._in_memory is not None:
            return self._in_memory[rows]
        return directions(self._index.rows_at(self._places[rows]), self._centre)

    def _parts(self, size: int) -> Iterator[slice]:
        for start in range(0, len(self._places), size):
            yield slice(start, start + size)

    def _blocks(self) -> Iterator[Block]:
        if self._in_memory is not None:
            yield self._order, self._in_memory
        else:
            yield from (
                (self._order[part], self._directions(part)) for part in self._parts(ROWS_AT_ONCE)
            )

    def _read(self) -> None:
        """Read the directions, and set their coordinates in the approximate index.

        The directions stay in memory if there are at most IN_MEMORY_VECTORS."""
        count, approximate = len(self._places), self._approximate
        held = (
            np.empty((count, self._index.dim), np.float32) if count <= IN_MEMORY_VECTORS else None
        )
        if approximate:
            axes = approximate.graph_axes
            coordinates = np.zeros((approximate.count, len(axes)), np.float32)

        def read(part: slice) -> None:
            directions = self._directions(part)
            if held is not None:
                held[part] = directions
            if approximate:
                coordinates[self._labels[part]] = directions @ axes.T

        with single_core_pool() as pool, single_threaded_blas():
            deque(pool.map(read, self._parts(ROWS_PER_READ)), maxlen=0)
        if approximate:
            approximate.set_centred_coordinates(coordinates)
        self._in_memory = held
