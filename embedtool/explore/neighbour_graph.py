"""One graph of nearest neighbours: built once, saved, extended when images come or go.

Clusters, the map and outliers stand on it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Progress
from embedtool.search.all_pairs import AllPairs, centred_directions
from embedtool.search.exact import Similarities, merge, nearest
from embedtool.search.results import EXACT_ROWS
from embedtool.store.derived import open_arrays, publish_arrays
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

NAME = "neighbours"
NEIGHBOURS = 40  # of each vector, up to EXACT_ROWS: a small set is clustered better with more
NEIGHBOURS_OF_MANY = 16  # above
REBUILD_SHARE = 10  # one vector in this many may come or go before all are searched again
NO_SPREAD = 1e-6  # of the squared length of vectors: a distance from their mean that is none
ROWS_AT_ONCE = 4096  # 21 MB at d = 1,280
CENTRE_SAMPLE = 20_480  # vectors that the mean is taken of, where there are more
RECALL_SAMPLE = 250  # vectors whose neighbours are compared with what exact search finds


@dataclass(frozen=True)
class Graph:
    """The k nearest others of each of n vectors, k at most n - 1, as seen from a centre, the mean
    of all when the graph was made: see embedtool.search.all_pairs.

    `recall` is the share of them that exact search finds too, measured on RECALL_SAMPLE vectors; 1
    where the search was exact.
    """

    ids: npt.NDArray[np.int64]  # (n,), of vectors, ascending
    indices: npt.NDArray[np.int32]  # (n, k), places in ids, none its own; -1 where one is missing
    similarities: Similarities  # (n, k), cosine of what lies beyond the centre, descending; -inf
    centre: npt.NDArray[np.float32]  # (d,)
    recall: float


def neighbour_graph(index: Writer, *, progress: Progress | None = None) -> Graph:
    """Return the graph of an index as it is now: the saved one, brought up to date, or a new one.

    A damaged saved graph is ignored.
    """
    places = index.places_after(0)
    old = _read(index)
    if old is not None and np.array_equal(old.ids, places["id"]):
        return old
    index.expect_reads(places)
    k = NEIGHBOURS if len(places) <= EXACT_ROWS else NEIGHBOURS_OF_MANY
    k = max(0, min(k, len(places) - 1))
    best = np.full((len(places), k), -np.inf, np.float32)
    found = np.full((len(places), k), -1, np.int64)
    if old is not None and _extendable(old, places, k):
        centre = old.centre
        searched = _extend(index, old, places, best, found, progress)
    else:
        centre = _centre(index, places)
        searched = np.arange(len(places))
    pairs = AllPairs(index, places, centre)
    best[searched], found[searched] = pairs.nearest(searched, k, progress=progress)
    if len(places) > EXACT_ROWS:
        _symmetrise(best, found)
    graph = Graph(
        ids=places["id"].copy(),
        indices=found.astype(np.int32),
        similarities=best,
        centre=centre,
        recall=_recall(pairs, found),
    )
    _save(index, graph)
    return graph


def _centre(index: Writer, places: npt.NDArray[np.void]) -> npt.NDArray[np.float32]:
    """Return the mean of all vectors, or of CENTRE_SAMPLE spread over them; 0 where all vectors are
    equal, which leaves no direction from their mean."""
    mean = np.zeros(index.dim)
    sample = places[:: -(-len(places) // CENTRE_SAMPLE) or 1]
    for _, rows in index.blocks_at(sample):
        mean += rows.sum(0, dtype=np.float64)
    mean /= max(len(sample), 1)
    return (mean if 1 - mean @ mean > NO_SPREAD else 0 * mean).astype(np.float32)


def _symmetrise(best: Similarities, found: npt.NDArray[np.int64]) -> None:
    """Add the reverse of each edge (n, k) that is nearer than some edges of its target, which has k
    edges still: approximate search from the one end finds what it missed from the other."""
    k = best.shape[1]
    targets, near = found.ravel(), best.ravel()
    new = np.flatnonzero((targets >= 0) & (near > best[targets, -1]))
    new = new[~(found[targets[new]] == (new // k)[:, None]).any(1)]
    new = new[np.lexsort((-near[new], targets[new]))]
    rows, first, of = np.unique(targets[new], return_index=True, return_inverse=True)
    rank = np.arange(len(new)) - first[of]
    new, of, rank = new[rank < k], of[rank < k], rank[rank < k]
    theirs = np.full((len(rows), k), -np.inf, np.float32)
    others = np.full((len(rows), k), -1, np.int64)
    theirs[of, rank], others[of, rank] = near[new], new // k
    best[rows], found[rows] = merge(best[rows], found[rows], theirs, others)


def _extendable(old: Graph, places: npt.NDArray[np.void], k: int) -> bool:
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
    must be searched: what is new, and what has lost a neighbour."""
    ids = places["id"]
    remaining = np.isin(old.ids, ids, assume_unique=True)
    whole = remaining & (remaining[old.indices] | (old.indices < 0)).all(1)
    known = np.isin(ids, old.ids[whole], assume_unique=True)
    best[known] = old.similarities[whole]
    now = np.searchsorted(ids, old.ids)  # of those that remain
    found[known] = np.where(old.indices[whole] < 0, -1, now[old.indices[whole]])
    new = np.flatnonzero(~np.isin(ids, old.ids, assume_unique=True))
    if new.size:
        block = (new, centred_directions(index.rows_at(places[new]), old.centre))
        rows = np.flatnonzero(known)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[start : start + ROWS_AT_ONCE]
            own = centred_directions(index.rows_at(places[part]), old.centre)
            near = nearest(own, [block], best.shape[1])
            best[part], found[part] = merge(best[part], found[part], *near)
            if progress:
                progress(start + len(part), len(rows), stage="comparing with what is new")
    return np.flatnonzero(~known)


def _recall(pairs: AllPairs, found: npt.NDArray[np.int64]) -> float:
    if len(found) <= EXACT_ROWS:
        return 1.0
    random = np.random.default_rng(0)
    sample = np.sort(random.choice(len(found), RECALL_SAMPLE, replace=False))
    _, truth = pairs.nearest(sample, found.shape[1], exact=True)
    return float((truth[:, :, None] == found[sample][:, None, :]).any(2).mean())


def saved_graph(index: IndexReader) -> Graph | None:
    """Return the saved graph if it is of the index as it is now; reading it needs no lock."""
    saved = _read(index)
    if saved is not None and np.array_equal(saved.ids, index.places_after(0)["id"]):
        return saved
    return None


def _read(index: IndexReader) -> Graph | None:
    opened = open_arrays(index.path, NAME, index.fingerprint)
    return Graph(**opened[1], recall=opened[0]["recall"]) if opened else None


def _save(index: Writer, graph: Graph) -> None:
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
