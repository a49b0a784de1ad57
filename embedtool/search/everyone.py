"""The nearest others of many vectors of an index, themselves left out: what a graph is made of.

Compared is the cosine of what a vector is beyond a centre, the mean of the collection: vectors of
photos all point somewhat the same way, and the few nearest that way are near to everything.
Exact up to EXACT_ROWS. Above, the approximate index proposes fewer candidates than it does for a
search, and faiss compares them with every vector, held in memory as float16.
"""

from collections.abc import Callable

import faiss
import numpy as np
import numpy.typing as npt

from embedtool.search.approximate import Approximate
from embedtool.search.exact import Ids, Similarities, nearest
from embedtool.search.searcher import open_approximate
from embedtool.store import Index
from embedtool.types import EXACT_ROWS, Progress, Vectors, normalise

BREADTH = 24  # at 100,000 vectors 0.93 of the neighbours
CANDIDATES = 3  # compared for each that is wanted
ROWS_AT_ONCE = 4096  # 21 MB at d = 1,280

Places = npt.NDArray[np.void]  # PLACE records, see embedtool.store
Centre = npt.NDArray[np.float32]  # (d,)
Search = Callable[[Vectors, int], tuple[Similarities, Ids]]


def beyond(rows: Vectors, centre: Centre) -> Vectors:
    """The directions (n, d) of unit rows (n, d) from a centre."""
    return normalise(rows - centre)


def nearest_others(
    index: Index,
    places: Places,
    k: int,
    *,
    centre: Centre,
    exact: bool = False,
    progress: Progress | None = None,
) -> tuple[Similarities, Ids]:
    """Similarities (m, k), descending, and ids (m, k) of the nearest others of the vectors at
    PLACE records (m,), as seen from the centre; -inf and -1 where they have fewer.

    exact: even above EXACT_ROWS, where it takes long for many.
    """
    search, laid = _search(index, centre, exact)
    by_id = np.argsort(laid)
    order = np.argsort(by_id[np.searchsorted(laid, places["id"], sorter=by_id)])
    best = np.empty((len(places), k), np.float32)
    found = np.empty((len(places), k), np.int64)
    for start in range(0, len(places), ROWS_AT_ONCE):
        part = order[start : start + ROWS_AT_ONCE]
        similarities, ids = search(index.rows_at(places[part]), k + 1)
        own = ids == places["id"][part, None]
        own[~own.any(1), -1] = True  # equal others stood before it: the last goes instead
        best[part] = similarities[~own].reshape(len(own), k)
        found[part] = ids[~own].reshape(len(own), k)
        if progress:
            progress(min(start + ROWS_AT_ONCE, len(places)), len(places), 0, "finding neighbours")
    return best, found


def _search(index: Index, centre: Centre, exact: bool) -> tuple[Search, Ids]:
    """A search, and all ids (n,) in the order in which they are best asked for."""
    everything = index.places_after(0)
    if len(everything) <= EXACT_ROWS:
        block = (everything["id"], beyond(index.rows_at(everything), centre))
        return lambda rows, k: nearest(beyond(rows, centre), [block], k), everything["id"]
    opened = None if exact else open_approximate(index, grow=True)
    if opened is None:
        return lambda rows, k: nearest(
            beyond(rows, centre), ((ids, beyond(b, centre)) for ids, b in index.blocks()), k
        ), everything["id"]
    approximate, certificate = opened
    for ids, rows in index.blocks_at(index.places_after(certificate.last_id)):
        approximate.add(ids, rows)
    return _Compared(index, approximate, everything, centre), approximate.ids()


class _Compared:
    """Proposals of the approximate index, compared with the directions of all vectors.

    Asked is what lies beyond the centre: (x - c)y ranks as (x - c)(y - c) does, and is closer to
    the cosine that is wanted than xy.
    """

    def __init__(
        self, index: Index, approximate: Approximate, everything: Places, centre: Centre
    ) -> None:
        self._approximate = approximate  # what `refined` gives lives no longer
        self._centre = centre
        self._ids = approximate.ids()
        where = np.searchsorted(everything["id"], self._ids).clip(max=len(everything) - 1)
        self._there = everything["id"][where] == self._ids
        half = faiss.ScalarQuantizer.QT_fp16
        self._whole = faiss.IndexScalarQuantizer(index.dim, half, faiss.METRIC_INNER_PRODUCT)
        for start in range(0, len(self._ids), ROWS_AT_ONCE):
            there = self._there[start : start + ROWS_AT_ONCE]
            rows = np.zeros((len(there), index.dim), np.float32)  # of what is gone, nothing
            places = everything[where[start : start + ROWS_AT_ONCE][there]]
            rows[there] = beyond(index.rows_at(places), centre)
            self._whole.add(rows)
        self._refine = approximate.refined(self._whole, BREADTH)
        self._refine.k_factor = CANDIDATES
        self._spare = 1 + 2 * float(1 - self._there.mean())  # fetched for those that are gone

    def __call__(self, rows: Vectors, k: int) -> tuple[Similarities, Ids]:
        asked = beyond(rows, self._centre)
        similarities, labels = self._refine.search(asked, int(np.ceil(self._spare * k)))
        good = (labels >= 0) & self._there[labels]
        order = np.argsort(~good, axis=1, kind="stable")[:, :k]
        good = np.take_along_axis(good, order, 1)
        similarities = np.take_along_axis(similarities, order, 1).clip(-1, 1)
        ids = self._ids[np.take_along_axis(labels, order, 1)]
        return np.where(good, similarities, -np.inf), np.where(good, ids, -1)
