"""Search an index for the images nearest to queries: files, images in memory, vectors or rows."""

import os
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from embedtool.collection.open_index import OpenIndex, Session
from embedtool.core.paths import full_path
from embedtool.core.types import PathLike, Pixels, Progress, Vectors, unit_rows
from embedtool.errors import EmbedtoolError, ImageRejected, ModelMismatch, UsageError
from embedtool.images.decode import decode_image, image_pixels
from embedtool.images.read_file import read_source, source_of
from embedtool.models.unrelated_vectors import unrelated_vectors
from embedtool.search.build_approximate import ensure_certified
from embedtool.search.centre import describe_similarity
from embedtool.search.exact import Ids, Similarities, check_similarity
from embedtool.search.filters import Filter, parse_filter
from embedtool.search.results import Match, QueryMatches
from embedtool.search.searcher import ExactSearcher
from embedtool.store.reader import IndexReader

DEFAULT_K = 10
OnReject = Literal["raise", "skip"]  # what happens if a query cannot be used
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
    on_reject: OnReject = "raise",
    progress: Progress | None = None,
) -> list[QueryMatches]:
    """Return the images most similar to each query, then to each row, most similar first.

    `embedtool.Index.search` documents the parameters.
    """
    if k is not None and k < 1:
        raise UsageError(f"expected k of at least 1, received {k}")
    check_similarity(min_similarity)
    if not queries and not rows:
        raise UsageError(
            "expected at least one query, received none: name an image file, or the row of an "
            "indexed image"
        )
    if on_reject not in get_args(OnReject):
        raise UsageError(f'expected on_reject "raise" or "skip", received {on_reject!r}')
    chosen = parse_filter(where)
    exact = chosen is not None or (k is None and min_similarity is not None)
    certify = not exact and (min_recall is not None or max_memory is not None)
    with index.session() as session:
        with session.snapshot():
            known = [_known(session.reader, query) for query in queries]
            of_rows = [_row(session.reader, row) for row in rows]
            found = [one for one in known if one is not None]
            if len(found) == len(known) and not certify:
                return _search(session, [*found, *of_rows], k, min_similarity, chosen, exact)
        # Outside a snapshot, because a long read makes a writer wait.
        found = _embedded(session, queries, known, on_reject, enough=bool(of_rows))
        if certify:
            reader = session.reader
            exact = not ensure_certified(
                reader,
                min_recall,
                max_memory,
                unrelated=unrelated_vectors(reader.fingerprint, reader.dim),
                progress=progress,
            )
        with session.snapshot():
            return _search(session, [*found, *of_rows], k, min_similarity, chosen, exact)


def _embedded(
    session: Session,
    queries: Sequence[Query],
    known: Sequence[tuple[str, Vectors] | None],
    on_reject: OnReject,
    *,
    enough: bool,
) -> list[tuple[str, Vectors]]:
    """Return the name and the vector (1, d) of each query, embedding those that are not known.

    enough: whether there is something to search for even if every query is rejected."""
    found = []
    for number, (query, own) in enumerate(zip(queries, known, strict=True), 1):
        try:
            found.append(own or _embed(session, query))
        except ImageRejected as reject:
            if on_reject == "raise" or (number == len(queries) and not found and not enough):
                raise
            warnings.warn(f"{reject}: it is left out", stacklevel=2)
    return found


def _search(
    session: Session,
    named: Sequence[tuple[str, Vectors]],
    k: int | None,
    min_similarity: float | None,
    chosen: Filter | None,
    exact: bool,
) -> list[QueryMatches]:
    index = session.reader
    queries = np.vstack([vector for _, vector in named])
    certificate = None
    found: Iterable[tuple[Similarities, Ids]]
    among = index.places(index.vector_ids_where(chosen.accepts)) if chosen else None
    compared = ExactSearcher(index, session.centre, among=among) if exact else session.searcher
    if k is None and min_similarity is not None:
        found = compared.within(queries, min_similarity)
    else:
        k = min(k or DEFAULT_K, max(session.count, 1))
        certificate = compared.certificate_for(k)
        found = zip(*compared.nearest(queries, k), strict=True)
    similarity = describe_similarity(compared.centre)
    results = []
    for (name, _), (similarities, ids) in zip(named, found, strict=True):
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
        results.append(QueryMatches(name, tuple(matches), certificate, similarity))
    return results


def _known(reader: IndexReader, query: Query) -> tuple[str, Vectors] | None:
    """Return the name and the vector (1, d) of a query, or None if it must be embedded first."""
    if isinstance(query, str | os.PathLike):
        stored = reader.image_at(query)
        return None if stored is None else (os.fspath(query), stored[1])
    if isinstance(query, np.ndarray) and query.dtype != np.uint8:
        return "vector", _vector(query, reader)
    return None


def _row(reader: IndexReader, row: int) -> tuple[str, Vectors]:
    """Return the path and the vector (1, d) of an indexed image."""
    stored = reader.image(row)
    if stored is None:
        raise UsageError(
            f"expected the number of an indexed image, from 1, received {row}: {reader.path} has "
            "no such image, or it was removed"
        )
    return str(stored[0]), stored[1]


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
    try:
        _, data = read_source(source_of(path))
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
            f"expected a vector of {reader.dim} dimensions, as in {reader.path}, received "
            f"{len(query)}. Embed the query with the model of the index"
        )
    try:
        return unit_rows(query[None])
    except EmbedtoolError as error:
        raise UsageError(f"cannot use the query vector: {error}") from error
