"""One graph of nearest neighbours: built once, kept, extended when images come or go.

Clusters, the map and outliers stand on it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedtool.derived import open_arrays, publish_arrays
from embedtool.search import Similarities, beyond, merge, nearest, nearest_others
from embedtool.types import EXACT_ROWS, Progress
from embedtool.writer import Writer

NAME = "neighbours"
NEIGHBOURS = 40  # of each vector, up to EXACT_ROWS: a small set is clustered better with more
NEIGHBOURS_OF_MANY = 16  # above
REBUILD_SHARE = 10  # one vector in this many may come or go before all are asked again
ALIKE = 1e-6  # of the squared length of vectors off their mean: nothing
ROWS_AT_ONCE = 4096  # 21 MB at d = 1,280
MEASURED = 500  # vectors whose neighbours are compared with what exact search finds


@dataclass(frozen=True)
class Graph:
    """The k nearest others of each of n vectors, k at most n - 1, as seen from a centre, the mean
    of all when the graph was made: see embedtool.search.everyone.

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
    k = NEIGHBOURS if len(places) <= EXACT_ROWS else NEIGHBOURS_OF_MANY
    k = max(0, min(k, len(places) - 1))
    best = np.full((len(places), k), -np.inf, np.float32)
    found = np.full((len(places), k), -1, np.int64)
    if old is not None and _extends(old, places, k):
        centre = old.centre
        asked = _extend(index, old, places, best, found, progress)
    else:
        centre = _centre(index, places)
        asked = np.ones(len(places), np.bool_)
    best[asked], found[asked] = nearest_others(
        index, places[asked], k, centre=centre, progress=progress
    )
    where = np.searchsorted(places["id"], found).astype(np.int32)
    graph = Graph(
        ids=places["id"].copy(),
        indices=np.where(found < 0, np.int32(-1), where),
        similarities=best,
        centre=centre,
        recall=_recall(index, places, found, centre),
    )
    _keep(index, graph)
    return graph


def _centre(index: Writer, places: npt.NDArray[np.void]) -> npt.NDArray[np.float32]:
    """The mean of all vectors; 0 where they are all one and the same, and lie nowhere beyond it."""
    mean = np.zeros(index.dim)
    for _, rows in index.blocks_at(places):
        mean += rows.sum(0, dtype=np.float64)
    mean /= max(len(places), 1)
    return (mean if 1 - mean @ mean > ALIKE else 0 * mean).astype(np.float32)


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
) -> npt.NDArray[np.bool_]:
    """Fill in the rows (n, k) that the old graph knows, compared with what is new; return which
    (n,) must be asked for: what is new, and what has lost a neighbour."""
    ids = places["id"]
    kept = np.isin(old.ids, ids, assume_unique=True)
    whole = kept & (kept[old.indices] | (old.indices < 0)).all(1)
    known = np.isin(ids, old.ids[whole], assume_unique=True)
    best[known] = old.similarities[whole]
    found[known] = np.where(old.indices[whole] < 0, -1, old.ids[old.indices[whole]])
    new = places[~np.isin(ids, old.ids, assume_unique=True)]
    if new.size:
        block = (new["id"], beyond(index.rows_at(new), old.centre))
        rows = np.flatnonzero(known)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[start : start + ROWS_AT_ONCE]
            own = beyond(index.rows_at(places[part]), old.centre)
            near = nearest(own, [block], best.shape[1])
            best[part], found[part] = merge(best[part], found[part], *near)
            if progress:
                progress(start + len(part), len(rows), 0, "comparing with what is new")
    return ~known


def _recall(
    index: Writer,
    places: npt.NDArray[np.void],
    found: npt.NDArray[np.int64],
    centre: npt.NDArray[np.float32],
) -> float:
    if len(places) <= EXACT_ROWS:
        return 1.0
    random = np.random.default_rng(0)
    sample = np.sort(random.choice(len(places), MEASURED, replace=False))
    k = found.shape[1]
    _, truth = nearest_others(index, places[sample], k, centre=centre, exact=True)
    return float((truth[:, :, None] == found[sample][:, None, :]).any(2).mean())


def _kept(index: Writer) -> Graph | None:
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
