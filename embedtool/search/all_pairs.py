"""The nearest others of many vectors of an index, themselves left out: what a graph is made of.

Compared is the cosine of what a vector is beyond a centre, the mean of the collection: vectors of
photos all point somewhat the same way, and the few nearest that way are near to everything.
Exact up to EXACT_ROWS. Above, the approximate index is walked from where each vector lies, and
what it proposes is compared.
"""

from collections import deque
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from embedtool.core.types import Progress, Vectors, normalise
from embedtool.search.exact import Block, Similarities, inner_products_at, nearest, one_core_each
from embedtool.search.faiss_index import Approximate
from embedtool.search.results import EXACT_ROWS
from embedtool.search.searcher import open_approximate
from embedtool.store.reader import IndexReader

ROWS_READ = 512  # by each thread: 2.6 MB
BREADTH = 16  # at 100,000 vectors 0.93 of the neighbours, and 0.94 with those that name them back
CANDIDATES = 2  # compared for each that is wanted
ROWS_AT_ONCE = 4096  # 21 MB at d = 1,280
HELD = 131_072  # vectors, in memory while they are compared: 671 MB at d = 1,280. More are read
Places = npt.NDArray[np.void]  # PLACE records, see embedtool.store.catalogue
Centre = npt.NDArray[np.float32]  # (d,)
Rows = npt.NDArray[np.int64]


def beyond(rows: Vectors, centre: Centre) -> Vectors:
    """The directions (n, d) of unit rows (n, d) from a centre."""
    return normalise(rows - centre)


class AllPairs:
    """All vectors of an index, at PLACE records (n,) by id, as seen from a centre.

    Here they lie in the order of the approximate index, where near ones follow one another.
    """

    def __init__(self, index: IndexReader, places: Places, centre: Centre) -> None:
        self._index = index
        self._centre = centre
        opened = open_approximate(index, grow=True) if len(places) > EXACT_ROWS else None
        self._approximate = opened and opened[0]
        self._order = np.arange(len(places))  # where in places each row here is
        if opened:
            approximate, certificate = opened
            for ids, rows in index.blocks_at(places[places["id"] > certificate.last_id]):
                approximate.add(ids, rows)
            laid = approximate.ids()
            self._labels = np.flatnonzero(np.isin(laid, places["id"]))  # the rest is gone
            self._order = np.searchsorted(places["id"], laid[self._labels])
            self._of_label = np.full(len(laid) + 1, -1)  # rows; the last is for label -1
            self._of_label[self._labels] = np.arange(len(places))
        self._rows = np.argsort(self._order)  # the other way about
        self._places = places[self._order]
        self._held: Vectors | None = None
        self._read()

    def nearest(
        self, which: Rows, k: int, *, exact: bool = False, progress: Progress | None = None
    ) -> tuple[Similarities, Rows]:
        """Similarities (m, k), descending, of the k nearest others of these (m,), and which they
        are (m, k); -inf and -1 where there are fewer. `which` are places in `places`.

        exact: even above EXACT_ROWS, where it takes long for many.
        """
        order = np.argsort(self._rows[which])
        best = np.empty((len(which), k), np.float32)
        found = np.empty((len(which), k), np.int64)
        approximate = None if exact else self._approximate

        def find(start: int) -> int:
            part = order[start : start + ROWS_AT_ONCE]
            rows = self._rows[which[part]]
            if approximate is None:
                best[part], found[part] = self._compared(rows, k)
            else:
                best[part], found[part] = self._walked(approximate, rows, k)
            return start + len(part)

        starts = range(0, len(which), ROWS_AT_ONCE)
        with one_core_each() as pool:
            for done in (map if approximate is None else pool.map)(find, starts):
                if progress:
                    progress(done, len(which), 0, "finding neighbours")
        return best, found

    def _compared(self, rows: Rows, k: int) -> tuple[Similarities, Rows]:
        best, found = nearest(self._directions(rows), self._blocks(), k + 1)
        own = found == self._order[rows, None]
        own[~own.any(1), -1] = True  # equal others stood before it: the last goes instead
        return best[~own].reshape(len(rows), k), found[~own].reshape(len(rows), k)

    def _walked(self, approximate: Approximate, rows: Rows, k: int) -> tuple[Similarities, Rows]:
        gone = 1 - len(self._labels) / approximate.count
        count = int(CANDIDATES * (k + 1) * (1 + 2 * gone))
        directions = self._directions(rows)
        proposed = self._of_label[
            approximate.around(self._labels[rows], directions, count, BREADTH)
        ]
        near = self._similarities(directions, proposed.clip(min=0))
        near[(proposed < 0) | (proposed == rows[:, None])] = -np.inf
        order = np.argsort(-near, axis=1, kind="stable")[:, :k]
        near = np.take_along_axis(near, order, 1)
        found = self._order[np.take_along_axis(proposed, order, 1)]
        return near, np.where(np.isneginf(near), -1, found)

    def _similarities(self, directions: Vectors, rows: Rows) -> Similarities:
        """Of each direction (m, d) and its rows (m, c)."""
        if self._held is not None:
            return inner_products_at(directions, self._held, rows).clip(-1, 1)
        asked, where = np.unique(rows, return_inverse=True)
        return inner_products_at(directions, self._directions(asked), where).clip(-1, 1)

    def _directions(self, rows: Rows | slice) -> Vectors:
        if self._held is not None:
            return self._held[rows]
        return beyond(self._index.rows_at(self._places[rows]), self._centre)

    def _parts(self, size: int) -> Iterator[slice]:
        for start in range(0, len(self._places), size):
            yield slice(start, start + size)

    def _blocks(self) -> Iterator[Block]:
        if self._held is not None:
            yield self._order, self._held
        else:
            yield from (
                (self._order[part], self._directions(part)) for part in self._parts(ROWS_AT_ONCE)
            )

    def _read(self) -> None:
        """Hold them, if they are few enough, and tell the approximate index where they lie."""
        count, approximate = len(self._places), self._approximate
        held = np.empty((count, self._index.dim), np.float32) if count <= HELD else None
        if approximate:
            axes = approximate.walked_axes
            along = np.zeros((approximate.count, len(axes)), np.float32)

        def read(part: slice) -> None:
            directions = self._directions(part)
            if held is not None:
                held[part] = directions
            if approximate:
                along[self._labels[part]] = directions @ axes.T

        with one_core_each() as pool, threadpool_limits(1, "blas"):
            deque(pool.map(read, self._parts(ROWS_READ)), maxlen=0)
        if approximate:
            approximate.see_from_centre(along)
        self._held = held
