"""How well nearness tells classes: what stands nearest to each image, and is it of its class."""

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
    """One value a query (m,). nearest (m, k) has gallery numbers, -1 past the gallery's end.

    precision: of the k nearest of the gallery, or all where it has fewer, the share of the query's
    class. average_precision: the mean, over the gallery's images of its class, of the precision of
    the ranking down to each (Manning, Raghavan and Schütze, Introduction to Information Retrieval,
    8.4); its mean is mAP. Not a number where the gallery has no other image of the class.
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
    """Rank the gallery (n, d), of classes (n,), for images of it: queries (m,) by number.

    A query is not found by itself: it is left out before the cut to k.
    """
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
