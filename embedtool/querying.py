"""`search_photos`: from query images or rows to their nearest images in an index."""

import os
from collections.abc import Sequence

import numpy as np

from embedtool.decode import decode_image
from embedtool.embed import embedder_of
from embedtool.errors import ImageRejected, UsageError
from embedtool.pipeline import read_source
from embedtool.search import nearest
from embedtool.store import Index
from embedtool.types import Match, PathLike, QueryMatches, Source, Vectors, several


def search_photos(
    index: PathLike,
    images: PathLike | Sequence[PathLike] = (),
    *,
    rows: Sequence[int] = (),
    k: int = 10,
    min_similarity: float = -1.0,
) -> list[QueryMatches]:
    """The k images most similar to each query image, most similar first.

    images: files, in the index or not; one that is in it, unchanged, is not embedded again, and
    an indexed path whose file is gone serves too. rows: ids of indexed images. A match below
    min_similarity is left out. An image that is in the index finds itself, or its copy, first.
    Raises UsageError (k below 1, no query, no such row), ImageRejected, ModelMismatch.
    """
    images = several(images)
    if k < 1:
        raise UsageError(f"expected k of at least 1, received {k}")
    if not images and not rows:
        raise UsageError("expected at least one query: an image file, or the row of an image")
    with Index(index) as opened:
        names, vectors = _queries(opened, images, rows)
        with opened.snapshot():  # only now: a long read keeps a writer waiting
            return _nearest(opened, names, vectors, k, min_similarity)


def _nearest(
    index: Index, names: Sequence[str], vectors: Sequence[Vectors], k: int, min_similarity: float
) -> list[QueryMatches]:
    if not (count := index.counts()["images"]):
        return [QueryMatches(name, ()) for name in names]
    k = min(k, count)
    similarities, ids = nearest(np.vstack(vectors), index.blocks(), k)
    results = []
    for name, row, found in zip(names, similarities, ids, strict=True):
        stands = [
            (path, float(similarity))
            for similarity, id in zip(row, found, strict=True)
            if id >= 0 and similarity >= min_similarity
            for path in index.paths_of(int(id))
        ]
        matches = (Match(rank, *stand) for rank, stand in enumerate(stands[:k], 1))
        results.append(QueryMatches(name, tuple(matches)))
    return results


def _queries(
    index: Index, images: Sequence[PathLike], rows: Sequence[int]
) -> tuple[list[str], list[Vectors]]:
    """The name and the vector (1, d) of each query; the model is loaded only for new files."""
    names, vectors = [], []
    embedder = None
    for image in images:
        names.append(os.fspath(image))
        stored = index.image_at(image)
        if stored is not None:
            vectors.append(stored[1])
            continue
        full = os.path.abspath(os.fsencode(image))
        try:
            _, data = read_source(Source(os.path.dirname(full), os.path.basename(full), 0, 0))
            pixels = decode_image(data, index.recipe.size)
        except ImageRejected as reject:
            reason = f"cannot use the query image {names[-1]}: {reject.reason}"
            raise ImageRejected(reject.stage, reason) from reject
        embedder = embedder or embedder_of(index.model, index.recipe)
        vectors.append(embedder.embed(pixels[None]))
    for row in rows:
        stored = index.image(row)
        if stored is None:
            raise UsageError(f"{index.path} has no image with row {row}")
        names.append(str(stored[0]))
        vectors.append(stored[1])
    return names, vectors
