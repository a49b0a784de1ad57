"""`search_photos`: from query images or rows to their nearest images in an index."""

import os
from collections.abc import Iterable, Sequence

import numpy as np

from embedtool.core.paths import full_path
from embedtool.core.types import PathLike, Progress, Source, Vectors, as_list
from embedtool.errors import ImageRejected, UsageError
from embedtool.images.decode import decode_image
from embedtool.images.read_file import read_source
from embedtool.models.embedder import embedder_of
from embedtool.search.build_approximate import ensure_certified
from embedtool.search.exact import Ids, Similarities, check_similarity, nearest, within
from embedtool.search.filters import Filter, parse_filter
from embedtool.search.results import Match, QueryMatches
from embedtool.search.searcher import open_searcher
from embedtool.store.cluster_labels import NO_CLUSTERS, read_clusters
from embedtool.store.reader import IndexReader

DEFAULT_K = 10


def search_photos(
    index: PathLike,
    images: PathLike | Sequence[PathLike] = (),
    *,
    rows: Sequence[int] = (),
    k: int | None = None,
    min_similarity: float | None = None,
    where: Sequence[str] = (),
    min_recall: float | None = None,
    max_memory: int | None = None,
    progress: Progress | None = None,
) -> list[QueryMatches]:
    """The images most similar to each query image, most similar first.

    images: files, in the index or not; one that is in it, unchanged, is not embedded again, and
    an indexed path whose file is gone serves too. rows: ids of indexed images. An image that is in
    the index finds itself, or its copy, first.
    k: how many; else 10, or with min_similarity all that are at least this similar.
    where: conditions an image must meet, `label=NAME` or `path=FOLDER`; those of one kind are
    alternatives. They are applied before the cut to k.
    min_recall, max_memory (bytes): what an approximate index must hold; one that does is built
    where there is none, and where none can, search is exact and a warning says so. Conditions, and
    min_similarity without k, are always answered exactly.
    Raises UsageError (k below 1, no cosine, no query, no such row), ImageRejected, ModelMismatch,
    and IndexLocked where an index must be built while another process writes.
    """
    images = as_list(images)
    if k is not None and k < 1:
        raise UsageError(f"expected k of at least 1, received {k}")
    check_similarity(min_similarity)
    if not images and not rows:
        raise UsageError("expected at least one query: an image file, or the row of an image")
    chosen = parse_filter(where)
    with IndexReader(index) as opened:
        names, vectors = _queries(opened, images, rows)
        exact = chosen is not None or (k is None and min_similarity is not None)
        if not exact and (min_recall is not None or max_memory is not None):
            exact = not ensure_certified(opened, min_recall, max_memory, progress=progress)
        with opened.snapshot():  # only now: a long read keeps a writer waiting
            return _search(opened, names, np.vstack(vectors), k, min_similarity, chosen, exact)


def _search(
    index: IndexReader,
    names: Sequence[str],
    queries: Vectors,
    k: int | None,
    min_similarity: float | None,
    chosen: Filter | None,
    exact: bool,
) -> list[QueryMatches]:
    blocks = index.blocks()
    if chosen:
        blocks = index.blocks_at(index.places(index.vector_ids_where(chosen.accepts)))
    certificate = None
    found: Iterable[tuple[Similarities, Ids]]
    if k is None and min_similarity is not None:
        found = within(queries, blocks, min_similarity)
    else:
        k = min(k or DEFAULT_K, max(index.counts()["images"], 1))
        if exact:
            found = zip(*nearest(queries, blocks, k), strict=True)
        else:
            searcher = open_searcher(index)
            certificate = searcher.certificate_for(k)
            found = zip(*searcher.nearest(queries, k), strict=True)
    clusters = read_clusters(index) or NO_CLUSTERS
    results = []
    for name, (similarities, ids) in zip(names, found, strict=True):
        images = index.images_of(ids.tolist())
        labels, labelled = clusters.labels_of(ids)
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


def _queries(
    index: IndexReader, images: Sequence[PathLike], rows: Sequence[int]
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
        embedder = embedder or embedder_of(index.model, index.recipe)
        full = os.path.abspath(os.fsencode(image))
        try:
            _, data = read_source(Source(os.path.dirname(full), os.path.basename(full), 0, 0))
            pixels = decode_image(data, index.recipe.size)
        except ImageRejected as reject:
            reason = f"cannot use the query image {names[-1]}: {reject.reason}"
            raise ImageRejected(reject.stage, reason) from reject
        vectors.append(embedder.embed(pixels[None]))
    for row in rows:
        stored = index.image(row)
        if stored is None:
            raise UsageError(
                f"{index.path} has no image with row {row}: expected its number as indexed, "
                "from 1, and not of one that was removed"
            )
        names.append(str(stored[0]))
        vectors.append(stored[1])
    return names, vectors
