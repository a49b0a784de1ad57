"""Measure the recall and the latency of a searcher, with queries that look like no image of a
collection among them."""

import time
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Vectors, normalise
from embedtool.search.exact import Similarities
from embedtool.search.searcher import Searcher

NORMAL_95 = 1.645  # the 95th percentile of the normal distribution
SIMILARITY_TOLERANCE = 1e-6  # between similarities: any of several equal rows counts as found
Shares = npt.NDArray[np.float64]  # (m,), from 0 to 1


def mixtures(rows: Vectors) -> Vectors:
    """Return the directions (m, d) of the sums of four rows each, which look like none of them.

    rows: (m, d). The four are far apart in this order. Photos of another kind than those of the
    index found at least as many of their neighbours as mixtures of four, see docs/measurements.md.
    Mixtures of two find more than such photos in lists."""
    parts = [np.roll(rows, part * len(rows) // 4, axis=0) for part in range(4)]
    total: Vectors = np.sum(parts, axis=0)
    return normalise(total)


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
