"""Exact search: every vector is compared."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import faiss
import numpy as np
import numpy.typing as npt

from embedtool.core.types import Vectors
from embedtool.errors import ModelMismatch, UsageError
from embedtool.search.centre import Centre

Similarities = npt.NDArray[np.float32]  # (m, k), descending; -inf if fewer than k were found
Ids = npt.NDArray[np.int64]  # (m, k), vector ids; -1 if fewer than k were found
Block = tuple[npt.NDArray[np.int64], Vectors]  # ids (n,) and their unit rows (n, d)
ROUNDING = 1e-7  # of an inner product


def nearest(
    queries: Vectors, blocks: Iterable[Block], k: int, *, centre: Centre | None = None
) -> tuple[Similarities, Ids]:
    """Return the k rows most similar to each query over all blocks, with one block in memory.

    queries (m, d) and the rows of a block (n, d) are unit float32. centre: the queries are
    directions from it, and so are the rows compared. Returns similarities (m, k) in [-1, 1],
    descending, and ids (m, k). Equal similarities are ordered by id. If there are fewer than k
    rows, the rest is -inf and -1.
    """
    best = np.full((len(queries), k), -np.inf, np.float32)
    found = np.full((len(queries), k), -1, np.int64)
    for ids, rows in blocks:
        _same_width(queries, rows)
        top = min(k, len(rows))
        if centre is None:
            with threads_for(queries):
                near, places = faiss.knn(queries, rows, top, metric=faiss.METRIC_INNER_PRODUCT)
        else:
            near = _from_centre(queries, rows, centre)
            places = np.argpartition(-near, top - 1, axis=1)[:, :top]
            near = np.take_along_axis(near, places, 1)
        best, found = merge(best, found, near.clip(-1, 1), ids[places])
    return best, found


def _from_centre(queries: Vectors, rows: Vectors, centre: Centre) -> npt.NDArray[np.float32]:
    """Return the cosines (m, n) of queries (m, d), which are directions from a centre, and the
    directions of unit rows (n, d) from it.

    They are computed from inner products. Moving the rows themselves takes as long as reading
    them."""
    alone = len(queries) == 1  # its product uses one thread, see `threads_for`
    cosines: npt.NDArray[np.float32]
    cosines = np.vecdot(rows, queries[0])[None] if alone else queries @ rows.T
    cosines -= (queries @ centre)[:, None]
    cosines /= _distances(np.vecdot(rows, centre), centre)
    return cosines


def _distances(products: npt.NDArray[np.float32], centre: Centre) -> npt.NDArray[np.float32]:
    """Return the distances (n,) of unit vectors from a centre, given their inner products with
    it."""
    squares = (1 + centre @ centre - 2 * products).clip(min=ROUNDING)
    distances: npt.NDArray[np.float32] = np.sqrt(squares)
    return distances


@contextmanager
def threads_for(queries: Vectors) -> Iterator[None]:
    """Use a single thread for a single query.

    faiss distributes queries over threads and waits for idle ones too, which takes tens of
    milliseconds if the cores are busy."""
    most = faiss.omp_get_max_threads()
    if len(queries) == 1:
        faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(most)


def single_core_pool() -> ThreadPoolExecutor:
    """Return a pool with one thread per core, in each of which faiss uses one thread."""
    return ThreadPoolExecutor(
        faiss.omp_get_max_threads(), initializer=faiss.omp_set_num_threads, initargs=(1,)
    )


def merge(
    best: Similarities, found: Ids, others: Similarities, their_ids: Ids
) -> tuple[Similarities, Ids]:
    """Return the best k results of (m, k) and (m, j), in the order of `nearest`."""
    k = best.shape[1]
    best = np.hstack([best, others])
    found = np.hstack([found, their_ids])
    order = np.lexsort((found, -best))[:, :k]
    return np.take_along_axis(best, order, 1), np.take_along_axis(found, order, 1)


def check_similarity(similarity: float | None) -> None:
    """Raise UsageError for a number that cannot be a cosine."""
    if similarity is not None and not -1 <= similarity <= 1:
        raise UsageError(f"expected a minimum similarity from -1 to 1, received {similarity}")


def within(
    queries: Vectors,
    blocks: Iterable[Block],
    min_similarity: float,
    *,
    centre: Centre | None = None,
) -> list[tuple[Similarities, Ids]]:
    """Return all rows that are at least this similar to each query, with the parameters of
    `nearest`.

    The result has similarities (k,) and ids (k,) for each query, in the order of `nearest`."""
    parts: list[tuple[list[Similarities], list[Ids]]] = [([], []) for _ in queries]
    for ids, rows in blocks:
        _same_width(queries, rows)
        similarities = queries @ rows.T if centre is None else _from_centre(queries, rows, centre)
        similarities = similarities.clip(-1, 1)
        for own, (near, their_ids) in zip(similarities, parts, strict=True):
            here = own >= min_similarity
            near.append(own[here])
            their_ids.append(ids[here])
    results = []
    for near, their_ids in parts:
        own = np.concatenate([*near, np.empty(0, np.float32)])
        found = np.concatenate([*their_ids, np.empty(0, np.int64)])
        order = np.lexsort((found, -own))
        results.append((own[order], found[order]))
    return results


def similarities_at(
    queries: Vectors, rows: Vectors, where: npt.NDArray[np.int64], centre: Centre
) -> npt.NDArray[np.float32]:
    """Return similarities (m, c) of each query (m, d), a direction from the centre, to the rows
    (n, d) at its places (m, c).

    The rows need not have length 1: scaling one number per pair is a third of the work of scaling
    rows."""
    lengths = np.sqrt(np.vecdot(rows, rows))
    distances = _distances(np.vecdot(rows, centre) / lengths, centre)
    similarities = inner_products_at(queries, rows, where)
    similarities /= lengths[where]
    similarities -= (queries @ centre)[:, None]
    similarities /= distances[where]
    return similarities.clip(-1, 1)


def inner_products_at(
    queries: Vectors, rows: Vectors, where: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Return the inner products (m, c) of each query (m, d) and the rows at its places.

    rows: (n, d). where: (m, c), the places of the rows for each query."""
    _same_width(queries, rows)
    where = np.ascontiguousarray(where)  # needs a reference: faiss gets a bare address
    products = np.empty(where.shape, np.float32)
    with threads_for(queries):
        faiss.fvec_inner_products_by_idx(  # type: ignore[attr-defined]
            faiss.swig_ptr(products),
            faiss.swig_ptr(queries),
            faiss.swig_ptr(rows),
            faiss.swig_ptr(where),
            rows.shape[1],
            *where.shape,
        )
    return products


def _same_width(queries: Vectors, rows: Vectors) -> None:
    if rows.shape[1] != queries.shape[1]:
        raise ModelMismatch(
            f"expected queries of {rows.shape[1]} dimensions, received {queries.shape[1]}. Embed "
            "the queries with the model of the index"
        )
