"""Measure the recall and the latency of a searcher, with queries that look like no image of a
collection among them."""

import time
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Vectors, normalise
from embedtool.search.exact import Similarities
from embedtool.search.recall_certificate import BLENDED, HELD_OUT, MIXED, UNRELATED
from embedtool.search.searcher import Searcher

UNRELATED_WEIGHT = 2  # of an unrelated picture in a mixture with two images of the collection
NORMAL_95 = 1.645  # the 95th percentile of the normal distribution
SIMILARITY_TOLERANCE = 1e-6  # between similarities: any of several equal rows counts as found
Shares = npt.NDArray[np.float64]  # (m,), from 0 to 1


def queries_by_kind(rows: Vectors, unrelated: Vectors | None) -> dict[str, Vectors]:
    """Return unit vectors (m, d) of each kind to measure recall with: held-out rows (m, d) of a
    collection, and vectors that look like nothing in it.

    unrelated: vectors (n, d) of pictures that look like no collection. Mixtures of one with two
    rows find as many of their neighbours as photos of another kind than those of the index, or a
    little less, see docs/measurements.md. With one row, they find more in lists. If there are no
    unrelated pictures, mixtures of four rows take their place, which find even fewer."""
    if unrelated is None:
        parts = [np.roll(rows, part * len(rows) // 4, axis=0) for part in range(4)]
        return {HELD_OUT: rows, MIXED: normalise(np.sum(parts, axis=0))}
    pairs = normalise(rows + np.roll(rows, len(rows) // 2, axis=0))  # far apart in this order
    blended = normalise(pairs + UNRELATED_WEIGHT * np.resize(unrelated, rows.shape))
    return {HELD_OUT: rows, UNRELATED: unrelated, BLENDED: blended}


def found_shares(found: Similarities, truth: Similarities, k: int) -> Shares:
    """Return the share (m,) of the exact results `truth` (m, k or more) in `found` (m, k), whose
    mean is recall@k."""
    shares: Shares = (found >= truth[:, k - 1 : k] - SIMILARITY_TOLERANCE).mean(1)
    return shares


def promised_recall(shares: Mapping[str, Shares]) -> float:
    """Return the lowest recall of all kinds of query, less its uncertainty.

    It is the lower end of a one-sided 95 % confidence interval over queries, rounded down. Its
    standard error is that of the shares and of one more query that finds nothing, so that it is not
    0 if all are equal."""
    bounds = (
        found.mean() - NORMAL_95 * np.append(found, 0).std() / np.sqrt(len(found))
        for found in shares.values()
    )
    return int(max(float(min(bounds)), 0.0) * 1000) / 1000


def query_milliseconds(searcher: Searcher, queries: Vectors) -> list[float]:
    """Return the milliseconds that each query (m, d) takes alone, to find its 10 nearest."""
    times = []
    for query in queries:
        start = time.perf_counter()
        searcher.nearest(query[None], 10)
        times.append((time.perf_counter() - start) * 1000)
    return times
