"""The neighbour graph of an index: built once, saved, and updated when images come or go.

Clusters, the map and outliers are computed from it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Progress
from embedtool.search.all_pairs import AllPairs
from embedtool.search.centre import directions
from embedtool.search.exact import Similarities, merge, nearest
from embedtool.search.results import EXACT_ROWS
from embedtool.store.derived import open_arrays, publish_arrays
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

NAME = "neighbours"
NEIGHBOURS = 40  # per vector, up to EXACT_ROWS vectors: more neighbours cluster a small set better
NEIGHBOURS_OF_MANY = 16  # per vector, above EXACT_ROWS
REBUILD_SHARE = 10  # all are searched again if more than one vector in this many came or went
NO_SPREAD = 1e-6  # variance of unit vectors at or below which they count as equal
ROWS_AT_ONCE = 4096  # 21 MB at d = 1,280
CENTRE_SAMPLE = 20_480  # the mean is taken of about this many vectors if there are more
RECALL_SAMPLE = 250  # vectors whose neighbours are compared with those of exact search


@dataclass(frozen=True)
class Graph:
    """The k nearest others of each of n vectors, with k at most n - 1.

    Similarities are measured from a centre, the mean of all vectors when the graph was made: see
    embedtool.search.all_pairs. `recall` is the share of the exact neighbours that the graph has,
    measured on RECALL_SAMPLE vectors; it is 1 if the search was exact.
    """

    ids: npt.NDArray[np.int64]  # (n,), of vectors, ascending
    indices: npt.NDArray[np.int32]  # (n, k), positions in ids, never its own; -1 if missing
    similarities: Similarities  # (n, k), cosine from the centre, descending; -inf if missing
    centre: npt.NDArray[np.float32]  # (d,)
    recall: float


def neighbour_graph(index: Writer, *, progress: Progress | None = None) -> Graph:
    """Return the graph of an index as it is now: the saved one, updated if needed, or a new one.

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
    """Return the mean of all vectors, or of about CENTRE_SAMPLE evenly spaced ones. Return 0 if all
    vectors are equal, since they have no direction from their mean."""
    mean = np.zeros(index.dim)
    sample = places[:: -(-len(places) // CENTRE_SAMPLE) or 1]
    for _, rows in index.blocks_at(sample):
        mean += rows.sum(0, dtype=np.float64)
    mean /= max(len(sample), 1)
    return (mean if 1 - mean @ mean > NO_SPREAD else 0 * mean).astype(np.float32)


def _symmetrise(best: Similarities, found: npt.NDArray[np.int64]) -> None:
    """Symmetrise the graph (n, k): add the reverse of each edge that is nearer than the farthest
    edge of its target. Each vector still has k edges. Approximate search may find an edge from one
    end and miss it from the other."""
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
    """Return whether few vectors came or went since the old graph was made."""
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
    """Fill in the rows (n, k) that the old graph has, and compare them with the new vectors. Return
    the rows that must be searched: new vectors, and those that lost a neighbour."""
    ids = places["id"]
    remaining = np.isin(old.ids, ids, assume_unique=True)
    whole = remaining & (remaining[old.indices] | (old.indices < 0)).all(1)
    known = np.isin(ids, old.ids[whole], assume_unique=True)
    best[known] = old.similarities[whole]
    now = np.searchsorted(ids, old.ids)  # of those that remain
    found[known] = np.where(old.indices[whole] < 0, -1, now[old.indices[whole]])
    new = np.flatnonzero(~np.isin(ids, old.ids, assume_unique=True))
    if new.size:
        block = (new, directions(index.rows_at(places[new]), old.centre))
        rows = np.flatnonzero(known)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[start : start + ROWS_AT_ONCE]
            own = directions(index.rows_at(places[part]), old.centre)
            near = nearest(own, [block], best.shape[1])
            best[part], found[part] = merge(best[part], found[part], *near)
            if progress:
                progress(start + len(part), len(rows), stage="comparing with new images")
    return np.flatnonzero(~known)


def _recall(pairs: AllPairs, found: npt.NDArray[np.int64]) -> float:
    if len(found) <= EXACT_ROWS:
        return 1.0
    random = np.random.default_rng(0)
    sample = np.sort(random.choice(len(found), RECALL_SAMPLE, replace=False))
    _, truth = pairs.nearest(sample, found.shape[1], exact=True)
    return float((truth[:, :, None] == found[sample][:, None, :]).any(2).mean())


def saved_graph(index: IndexReader) -> Graph | None:
    """Return the saved graph if it matches the index as it is now. Reading it needs no lock."""
    saved = _read(index)
    if saved is not None and np.array_equal(saved.ids, index.places_after(0)["id"]):
        return saved
    return None


def _read(index: IndexReader) -> Graph | None:
    opened = open_arrays(
        index.path,
        NAME,
        index.fingerprint,
        ids=(np.int64, "n"),
        indices=(np.int32, "nk"),
        similarities=(np.float32, "nk"),
        centre=(np.float32, "d"),
    )
    recall = opened and opened[0].get("recall")
    if opened is None or not isinstance(recall, float):
        return None
    graph = Graph(**opened[1], recall=recall)
    whole = (
        (np.diff(graph.ids) > 0).all()
        and ((graph.indices >= -1) & (graph.indices < len(graph.ids))).all()
        and len(graph.centre) == index.dim
    )
    return graph if whole else None


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
