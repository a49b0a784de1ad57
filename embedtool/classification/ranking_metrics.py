"""Measure how well similarity separates classes: whether the nearest images are of one class."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedtool.classification.splits import Numbers
from embedtool.core.types import Progress, Vectors
from embedtool.search.exact import Ids, within

QUERY_BLOCK = 64  # queries ranked at a time: 77 MB of ranks for 100,000 images
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Retrieval:
    """Retrieval scores with one value per query (m,).

    precision: the share of the k nearest in the gallery (of all, if it has fewer) with the query's
    class. average_precision: the mean, over the gallery's images of this class, of the precision of
    the ranking down to each (Manning, Raghavan and Schütze, Introduction to Information Retrieval,
    8.4). Its mean over queries is mAP. It is NaN if the gallery has no other image of the class.
    nearest: (m, k) gallery numbers, -1 if there are fewer than k.
    """

    precision: Values
    average_precision: Values
    nearest: Ids


def retrieve(
    gallery: Vectors,
    labels: Numbers,
    queries: Numbers,
    *,
    k: int = 10,
    progress: Progress | None = None,
) -> Retrieval:
    """Rank the gallery (n, d) with classes labels (n,) for some of its images, given by numbers
    queries (m,). A query itself is left out of its ranking."""
    m, kept = len(queries), min(k, len(gallery) - 1)
    found = Retrieval(np.zeros(m), np.full(m, np.nan), np.full((m, k), -1))
    numbers = np.arange(len(gallery))
    for start in range(0, m, QUERY_BLOCK):
        part = queries[start : start + QUERY_BLOCK]
        ranked = within(gallery[part], [(numbers, gallery)], -1.0)
        for at, (query, (_, ids)) in enumerate(zip(part.tolist(), ranked, strict=True), start):
            others = ids[ids != query]
            same = labels[others] == labels[query]
            found.nearest[at, :kept] = others[:kept]
            if kept:
                found.precision[at] = same[:kept].mean()
            ranks = np.flatnonzero(same) + 1
            if ranks.size:
                found.average_precision[at] = (np.arange(1, len(ranks) + 1) / ranks).mean()
        if progress:
            progress(min(start + QUERY_BLOCK, m), m, stage="ranking images")
    return found
