"""Nearest images by inner product, the one owner of faiss.

Search is exact: every stored vector is compared. An approximate index with a certificate of its
recall will stand behind the same function.
"""

from collections.abc import Iterable

import faiss
import numpy as np
import numpy.typing as npt

from embedtool.errors import ModelMismatch
from embedtool.types import Vectors


def nearest(
    queries: Vectors,
    blocks: Iterable[tuple[npt.NDArray[np.int64], Vectors]],
    k: int,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The k rows most similar to each query, over all blocks, without holding more than one.

    queries (m, d) and the rows of a block (n, d) are unit float32; a block is (ids (n,), rows).
    Returns similarities (m, k) in [-1, 1], descending, and ids (m, k); equal similarities are
    ordered by id, and where fewer than k rows exist the rest is -inf and -1.
    """
    best = np.full((len(queries), k), -np.inf, np.float32)
    found = np.full((len(queries), k), -1, np.int64)
    for ids, rows in blocks:
        if rows.shape[1] != queries.shape[1]:
            raise ModelMismatch(
                f"expected queries of {rows.shape[1]} dimensions, received {queries.shape[1]}"
            )
        top = min(k, len(rows))
        similarities, places = faiss.knn(queries, rows, top, metric=faiss.METRIC_INNER_PRODUCT)
        best = np.hstack([best, similarities.clip(-1, 1)])
        found = np.hstack([found, ids[places]])
        order = np.lexsort((found, -best))[:, :k]
        best = np.take_along_axis(best, order, 1)
        found = np.take_along_axis(found, order, 1)
    return best, found
