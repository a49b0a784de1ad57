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

BREADTH = 64  # at 100,000 vectors 0.88 of the neighbours in 20 s
CANDIDATES = 4  # compared for each that is wanted
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
    search = _search(index, centre, exact)
    best = np.empty((len(places), k), np.float32)
    found = np.empty((len(places), k), np.int64)
    for start in range(0, len(places), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        similarities, ids = search(index.rows_at(places[part]), k + 1)
        own = ids == places["id"][part, None]
        own[~own.any(1), -1] = True  # equal others stood before it: the last goes instead
        best[part] = similarities[~own].reshape(len(own), k)
        found[part] = ids[~own].reshape(len(own), k)
        if progress:
            progress(min(start + ROWS_AT_ONCE, len(places)), len(places), 0, "finding neighbours")
    return best, found


def _search(index: Index, centre: Centre, exact: bool) -> Search:
    everything = index.places_after(0)
    if len(everything) <= EXACT_ROWS:
        block = (everything["id"], beyond(index.rows_at(everything), centre))
        return lambda rows, k: nearest(beyond(rows, centre), [block], k)
    opened = None if exact else open_approximate(index, grow=True)
    if opened is None:
        return lambda rows, k: nearest(
            beyond(rows, centre), ((ids, beyond(b, centre)) for ids, b in index.blocks()), k
        )
    approximate, certificate = opened
    for ids, rows in index.blocks_at(index.places_after(certificate.last_id)):
        approximate.add(ids, rows)
    return _Compared(index, approximate, everything, centre)


class _Compared:
    """Proposals of the approximate index, compared with all vectors.

    For x and y' = beyond(y), (x - c)y' = xy' - cy': stored is (y', -cy'), asked (x, 1), which
    leaves x as the approximate index knows it.
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
        whole = faiss.IndexScalarQuantizer(index.dim + 1, half, faiss.METRIC_INNER_PRODUCT)
        for start in range(0, len(self._ids), ROWS_AT_ONCE):
            there = self._there[start : start + ROWS_AT_ONCE]
            rows = np.zeros((len(there), index.dim + 1), np.float32)  # of what is gone, nothing
            directions = beyond(
                index.rows_at(everything[where[start : start + ROWS_AT_ONCE][there]]), centre
            )
            rows[there] = np.column_stack([directions, -directions @ centre])
            whole.add(rows)
        self._whole = whole
        self._refine = approximate.refined(whole, BREADTH)
        self._refine.k_factor = CANDIDATES
        self._spare = 1 + 2 * float(1 - self._there.mean())  # fetched for those that are gone

    def __call__(self, rows: Vectors, k: int) -> tuple[Similarities, Ids]:
        asked = np.column_stack([rows, np.ones(len(rows), np.float32)])
        similarities, labels = self._refine.search(asked, int(np.ceil(self._spare * k)))
        good = (labels >= 0) & self._there[labels]
        order = np.argsort(~good, axis=1, kind="stable")[:, :k]
        good = np.take_along_axis(good, order, 1)
        similarities = np.take_along_axis(similarities, order, 1)
        similarities /= np.linalg.norm(rows - self._centre, axis=1, keepdims=True)
        ids = self._ids[np.take_along_axis(labels, order, 1)]
        return np.where(good, similarities.clip(-1, 1), -np.inf), np.where(good, ids, -1)
