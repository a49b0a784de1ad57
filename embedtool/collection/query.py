"""Search an index for the images nearest to queries: files, images in memory, vectors or rows."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from embedtool.collection.open_index import OpenIndex, Session
from embedtool.core.paths import full_path
from embedtool.core.types import PathLike, Pixels, Progress, Source, Vectors, unit_rows
from embedtool.errors import EmbedtoolError, ImageRejected, ModelMismatch, UsageError
from embedtool.images.decode import decode_image, image_pixels
from embedtool.images.read_file import read_source
from embedtool.search.build_approximate import ensure_certified
from embedtool.search.exact import Ids, Similarities, check_similarity, nearest, within
from embedtool.search.filters import Filter, parse_filter
from embedtool.search.results import Match, QueryMatches
from embedtool.store.reader import IndexReader

DEFAULT_K = 10
# A file; an image in memory, or its pixels, uint8 (h, w, 3); a vector (d,) of any other dtype.
Query = PathLike | Image.Image | npt.NDArray[Any]


def search_index(
    index: OpenIndex,
    queries: Sequence[Query],
    *,
    rows: Sequence[int] = (),
    k: int | None = None,
    min_similarity: float | None = None,
    where: Sequence[str] = (),
    min_recall: float | None = None,
    max_memory: int | None = None,
    progress: Progress | None = None,
) -> list[QueryMatches]:
    """Return the images most similar to each query, then to each row, most similar first.

    `embedtool.Index.search` documents the parameters.
    """
    if k is not None and k < 1:
        raise UsageError(f"expected k of at least 1, received {k}")
    check_similarity(min_similarity)
    if not queries and not rows:
        raise UsageError("expected at least one query: an image file, or the row of an image")
    chosen = parse_filter(where)
    exact = chosen is not None or (k is None and min_similarity is not None)
    certify = not exact and (min_recall is not None or max_memory is not None)
    with index.session() as session:

        def search() -> list[QueryMatches]:
            return _search(session, names, np.vstack(vectors), k, min_similarity, chosen, exact)

        with session.snapshot():
            names, vectors, new = _known(session.reader, queries, rows)
            if not new and not certify:
                return search()
        # Outside a snapshot, because a long read makes a writer wait.
        for place in new:
            names[place], vectors[place] = _embed(session, queries[place])
        if certify:
            exact = not ensure_certified(session.reader, min_recall, max_memory, progress=progress)
        with session.snapshot():
            return search()


def _search(
    session: Session,
    names: Sequence[str],
    queries: Vectors,
    k: int | None,
    min_similarity: float | None,
    chosen: Filter | None,
    exact: bool,
) -> list[QueryMatches]:
    index = session.reader
    certificate = None
    found: Iterable[tuple[Similarities, Ids]]
    if exact:
        blocks = index.blocks()
        if chosen:
            blocks = index.blocks_at(index.places(index.vector_ids_where(chosen.accepts)))
    if k is None and min_similarity is not None:
        found = within(queries, blocks, min_similarity)
    else:
        k = min(k or DEFAULT_K, max(session.count, 1))
        if exact:
            found = zip(*nearest(queries, blocks, k), strict=True)
        else:
            certificate = session.searcher.certificate_for(k)
            found = zip(*session.searcher.nearest(queries, k), strict=True)
    results = []
    for name, (similarities, ids) in zip(names, found, strict=True):
        images = index.images_of(ids.tolist())
        labels, labelled = session.clusters.labels_of(ids)
        found_images = [
            (full_path(image.root, image.path), float(similarity), label if has_label else None)
            for similarity, id, label, has_label in zip(
                similarities, ids.tolist(), labels.tolist(), labelled.tolist(), strict=True
            )
            if min_similarity is None or similarity >= min_similarity
            for image in images.get(id, ())
            if chosen is None or chosen.accepts(image.root, image.path)
        ]
        matches = (Match(rank, *image) for rank, image in enumerate(found_images[:k], 1))
        results.append(QueryMatches(name, tuple(matches), certificate))
    return results


def _known(
    reader: IndexReader, queries: Sequence[Query], rows: Sequence[int]
) -> tuple[list[str], list[Vectors], list[int]]:
    """Return the name and the vector (1, d) of each query, then of each row.

    Also returns the positions of queries that are new images, which must be embedded first."""
    names, vectors, new = [], [], []
    for place, query in enumerate(queries):
        name, vector = "", np.empty((0, reader.dim), np.float32)
        if isinstance(query, str | os.PathLike):
            name, stored = os.fspath(query), reader.image_at(query)
            if stored is not None:
                vector = stored[1]
        elif isinstance(query, np.ndarray) and query.dtype != np.uint8:
            name, vector = "vector", _vector(query, reader)
        if not len(vector):
            new.append(place)
        names.append(name)
        vectors.append(vector)
    for row in rows:
        stored = reader.image(row)
        if stored is None:
            raise UsageError(
                f"{reader.path} has no image with row {row}: expected the number of an indexed "
                "image, from 1, that was not removed"
            )
        names.append(str(stored[0]))
        vectors.append(stored[1])
    return names, vectors, new


def _embed(session: Session, query: Query) -> tuple[str, Vectors]:
    """Return the name and the vector (1, d) of a new image."""
    embedder = session.embedder()
    if isinstance(query, str | os.PathLike):
        name = os.fspath(query)
        pixels = _file_pixels(query, name, embedder.size)
    else:
        name, pixels = _picture_pixels(query, embedder.size)
    return name, embedder.embed(pixels[None])


def _file_pixels(path: PathLike, name: str, size: int) -> Pixels:
    full = os.path.abspath(os.fsencode(path))
    try:
        _, data = read_source(Source(os.path.dirname(full), os.path.basename(full), 0, 0))
        return decode_image(data, size)
    except ImageRejected as reject:
        reason = f"cannot use the query image {name}: {reject.reason}"
        raise ImageRejected(reject.stage, reason) from reject


def _picture_pixels(query: Image.Image | npt.NDArray[np.uint8], size: int) -> tuple[str, Pixels]:
    """Return the name and the pixels of an image in memory."""
    if isinstance(query, np.ndarray):
        if query.ndim != 3 or query.shape[2] != 3 or not query.size:
            raise UsageError(f"expected pixels as uint8 (h, w, 3), received {query.shape}")
        query = Image.fromarray(query)
    if not isinstance(query, Image.Image):
        raise UsageError(
            "expected a query as a path, a PIL image, pixels as uint8 (h, w, 3) or a vector (d,), "
            f"received {type(query).__name__}"
        )
    return f"image of {query.width}x{query.height}", image_pixels(query, size)


def _vector(query: npt.NDArray[Any], reader: IndexReader) -> Vectors:
    if query.dtype.kind not in "fiu" or query.ndim != 1:
        raise UsageError(
            f"expected a vector ({reader.dim},) or pixels as uint8 (h, w, 3), received "
            f"{query.dtype} {query.shape}"
        )
    if len(query) != reader.dim:
        raise ModelMismatch(
            f"expected a vector of {reader.dim} dimensions, as {reader.path} has, received "
            f"{len(query)}"
        )
    try:
        return unit_rows(query[None])
    except EmbedtoolError as error:
        raise UsageError(f"cannot use the query vector: {error}") from error
