"""Find the images of an index that are least similar to the others."""

import numpy as np

from embedtool.core.paths import full_path
from embedtool.core.types import Progress
from embedtool.errors import UsageError
from embedtool.explore.neighbour_graph import Graph, neighbour_graph, saved_graph
from embedtool.explore.results import Outlier
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

NEIGHBOURS = 10  # with fewer, two odd images that resemble each other would not be outliers


def find_outliers(
    index: IndexReader, *, k: int = 20, progress: Progress | None = None
) -> list[Outlier]:
    """Return the k images with the highest outlier score, highest first.

    The score is 1 minus the mean similarity to the 10 nearest neighbours (Ramaswamy, Rastogi, Shim,
    SIGMOD 2000, with the mean of the distances instead of the last). Similarity is that of the
    neighbour graph: the cosine after the mean of all vectors is subtracted. An image and its copies
    count as one. An index of one image has no outliers.
    Raises UsageError (k below 1), IndexLocked if the graph must be computed while another process
    is writing.
    """
    if k < 1:
        raise UsageError(f"expected k of at least 1, received {k}")
    with index.snapshot():
        if (graph := saved_graph(index)) is not None:
            return _ranked(index, graph, k)
    with Writer(index.path, files=index.files) as writer:
        return _ranked(writer, neighbour_graph(writer, progress=progress), k)


def _ranked(index: IndexReader, graph: Graph, k: int) -> list[Outlier]:
    near = graph.similarities[:, :NEIGHBOURS]
    if not near.size:
        return []
    there = np.isfinite(near)
    scores = 1 - np.where(there, near, 0).sum(1) / there.sum(1).clip(1)
    order = np.argsort(-scores, kind="stable")[:k]
    closest = graph.ids[graph.indices[order, 0]]
    images = index.images_of([*graph.ids[order].tolist(), *closest.tolist()])
    paths = {id: full_path(rows[0].root, rows[0].path) for id, rows in images.items()}
    return [
        Outlier(
            rank=rank,
            path=paths[int(graph.ids[place])],
            score=float(scores[place]),
            nearest=paths[int(other)],
            similarity=float(near[place, 0]),
        )
        for rank, (place, other) in enumerate(zip(order, closest, strict=True), 1)
    ]
