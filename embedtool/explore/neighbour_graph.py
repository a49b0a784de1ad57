"""One graph of nearest neighbours: built once, kept, extended when images come or go.

Clusters, the map and outliers stand on it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Progress
from embedtool.search import AllPairs, Similarities, beyond, merge, nearest
from embedtool.search.results import EXACT_ROWS
from embedtool.store.derived import open_arrays, publish_arrays
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

NAME = "neighbours"
NEIGHBOURS = 40  # of each vector, up to EXACT_ROWS: a small set is clustered better with more
NEIGHBOURS_OF_MANY = 16  # above
REBUILD_SHARE = 10  # one vector in this many may come or go before all are asked again
ALIKE = 1e-6  # of the squared length of vectors off their mean: nothing
ROWS_AT_ONCE = 4096  # 21 MB at d = 1,280
SAMPLE = 20_480  # vectors that the mean is taken of, where there are more
MEASURED = 250  # vectors whose neighbours are compared with what exact search finds


@dataclass(frozen=True)
class Graph:
    """The k nearest others of each of n vectors, k at most n - 1, as seen from a centre, the mean
    of all when the graph was made: see embedtool.search.all_pairs.

    `recall` is the share of them that exact search would name too, measured on MEASURED vectors; 1
    where the search was exact.
    """

    ids: npt.NDArray[np.int64]  # (n,), of vectors, ascending
    indices: npt.NDArray[np.int32]  # (n, k), places in ids, none its own; -1 where one is missing
    similarities: Similarities  # (n, k), cosine of what lies beyond the centre, descending; -inf
    centre: npt.NDArray[np.float32]  # (d,)
    recall: float


def neighbour_graph(index: Writer, *, progress: Progress | None = None) -> Graph:
    """The graph of an index as it is now: the one that is kept, brought up to date, or a new one.

    A kept one that is damaged is as if it were not there.
    """
    places = index.places_after(0)
    old = _kept(index)
    if old is not None and np.array_equal(old.ids, places["id"]):
        return old
    index.expect(places)
    k = NEIGHBOURS if len(places) <= EXACT_ROWS else NEIGHBOURS_OF_MANY
    k = max(0, min(k, len(places) - 1))
    best = np.full((len(places), k), -np.inf, np.float32)
    found = np.full((len(places), k), -1, np.int64)
    if old is not None and _extends(old, places, k):
        centre = old.centre
        asked = _extend(index, old, places, best, found, progress)
    else:
        centre = _centre(index, places)
        asked = np.arange(len(places))
    everyone = AllPairs(index, places, centre)
    best[asked], found[asked] = everyone.nearest(asked, k, progress=progress)
    if len(places) > EXACT_ROWS:
        _name_back(best, found)
    graph = Graph(
        ids=places["id"].copy(),
        indices=found.astype(np.int32),
        similarities=best,
        centre=centre,
        recall=_recall(everyone, found),
    )
    _keep(index, graph)
    return graph


def _centre(index: Writer, places: npt.NDArray[np.void]) -> npt.NDArray[np.float32]:
    """The mean of all vectors, or of SAMPLE spread over them; 0 where they are all one and the
    same, and lie nowhere beyond it."""
    mean = np.zeros(index.dim)
    sample = places[:: -(-len(places) // SAMPLE) or 1]
    for _, rows in index.blocks_at(sample):
        mean += rows.sum(0, dtype=np.float64)
    mean /= max(len(sample), 1)
    return (mean if 1 - mean @ mean > ALIKE else 0 * mean).astype(np.float32)


def _name_back(best: Similarities, found: npt.NDArray[np.int64]) -> None:
    """Where one vector (n, k) names another, and is nearer to it than some that it names, it is
    named back: a walk from the one side finds what a walk from the other has missed."""
    k = best.shape[1]
    named, near = found.ravel(), best.ravel()
    new = np.flatnonzero((named >= 0) & (near > best[named, -1]))
    new = new[~(found[named[new]] == (new // k)[:, None]).any(1)]
    new = new[np.lexsort((-near[new], named[new]))]
    rows, first, of = np.unique(named[new], return_index=True, return_inverse=True)
    rank = np.arange(len(new)) - first[of]
    new, of, rank = new[rank < k], of[rank < k], rank[rank < k]
    theirs = np.full((len(rows), k), -np.inf, np.float32)
    others = np.full((len(rows), k), -1, np.int64)
    theirs[of, rank], others[of, rank] = near[new], new // k
    best[rows], found[rows] = merge(best[rows], found[rows], theirs, others)


def _extends(old: Graph, places: npt.NDArray[np.void], k: int) -> bool:
    """Whether few vectors came or went since it was made."""
    changes = len(np.setxor1d(old.ids, places["id"], assume_unique=True))
    return old.indices.shape[1] == k and changes * REBUILD_SHARE <= len(places)


def _extend(
    index: Writer,
    old: Graph,
    places: npt.NDArray[np.void],
    best: Similarities,
    found: npt.NDArray[np.int64],
    progress: Progress | None,
) -> npt.NDArray[np.int64]:
    """Fill in the rows (n, k) that the old graph knows, compared with what is new; return which
    must be asked for: what is new, and what has lost a neighbour."""
    ids = places["id"]
    kept = np.isin(old.ids, ids, assume_unique=True)
    whole = kept & (kept[old.indices] | (old.indices < 0)).all(1)
    known = np.isin(ids, old.ids[whole], assume_unique=True)
    best[known] = old.similarities[whole]
    now = np.searchsorted(ids, old.ids)  # of those that are kept
    found[known] = np.where(old.indices[whole] < 0, -1, now[old.indices[whole]])
    new = np.flatnonzero(~np.isin(ids, old.ids, assume_unique=True))
    if new.size:
        block = (new, beyond(index.rows_at(places[new]), old.centre))
        rows = np.flatnonzero(known)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[start : start + ROWS_AT_ONCE]
            own = beyond(index.rows_at(places[part]), old.centre)
            near = nearest(own, [block], best.shape[1])
            best[part], found[part] = merge(best[part], found[part], *near)
            if progress:
                progress(start + len(part), len(rows), 0, "comparing with what is new")
    return np.flatnonzero(~known)


def _recall(everyone: AllPairs, found: npt.NDArray[np.int64]) -> float:
    if len(found) <= EXACT_ROWS:
        return 1.0
    random = np.random.default_rng(0)
    sample = np.sort(random.choice(len(found), MEASURED, replace=False))
    _, truth = everyone.nearest(sample, found.shape[1], exact=True)
    return float((truth[:, :, None] == found[sample][:, None, :]).any(2).mean())


def saved_graph(index: IndexReader) -> Graph | None:
    """The graph that is kept, where it is of the index as it is now: to read it needs no lock."""
    kept = _kept(index)
    if kept is not None and np.array_equal(kept.ids, index.places_after(0)["id"]):
        return kept
    return None


def _kept(index: IndexReader) -> Graph | None:
    opened = open_arrays(index.path, NAME, index.fingerprint)
    return Graph(**opened[1], recall=opened[0]["recall"]) if opened else None


def _keep(index: Writer, graph: Graph) -> None:
    publish_arrays(
        index.path,
        NAME,
        {"vectors": len(graph.ids), "k": graph.indices.shape[1], "recall": graph.recall},
        fingerprint=index.fingerprint,
        ids=graph.ids,
        indices=graph.indices,
        similarities=graph.similarities,
        centre=graph.centre,
    )
