"""The method of `Index` that searches."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import numpy as np

from embedtool.core.types import Progress
from embedtool.library.connected import Connected

if TYPE_CHECKING:
    from embedtool.collection.query import OnReject, Query
    from embedtool.library.results import SearchResult


class SearchMethods(Connected):
    @overload
    def search(  # type: ignore[overload-overlap]  # a str is a sequence of str
        self,
        query: "Query",
        *,
        rows: Sequence[int] = (),
        k: int | None = None,
        min_similarity: float | None = None,
        where: Sequence[str] = (),
        min_recall: float | None = None,
        max_memory: int | None = None,
        on_reject: "OnReject" = "raise",
        progress: Progress | None = None,
    ) -> "SearchResult": ...
    @overload
    def search(
        self,
        query: "Sequence[Query]" = (),
        *,
        rows: Sequence[int] = (),
        k: int | None = None,
        min_similarity: float | None = None,
        where: Sequence[str] = (),
        min_recall: float | None = None,
        max_memory: int | None = None,
        on_reject: "OnReject" = "raise",
        progress: Progress | None = None,
    ) -> "list[SearchResult]": ...
    def search(
        self,
        query: "Query | Sequence[Query]" = (),
        *,
        rows: Sequence[int] = (),
        k: int | None = None,
        min_similarity: float | None = None,
        where: Sequence[str] = (),
        min_recall: float | None = None,
        max_memory: int | None = None,
        on_reject: "OnReject" = "raise",
        progress: Progress | None = None,
    ) -> "SearchResult | list[SearchResult]":
        """Return the images most similar to a query, most similar first.

        query: a path, a PIL image, pixels as uint8 (h, w, 3), or a vector (d,) of another dtype.
        A list of queries gives a list of results; so do rows, and an array of pictures or vectors.
        A file that is in the index and has not changed is not embedded again; the path of an
        indexed file that is gone can be used, too. An image that is in the index finds itself, or
        a copy of itself, first.
        rows: numbers of indexed images, as further queries; 1 is the first that was indexed.
        k: the number of matches, at least 1; [default: 10, or with min_similarity all images that
        are at least this similar].
        min_similarity: from -1 to 1. Similarity is the cosine of two vectors after the mean of the
        collection is subtracted; `similarity` of the result says whether the index has this mean.
        where: conditions `label=NAME` or `path=FOLDER`. An image must match one of the labels and
        one of the folders.
        min_recall (recall@10, from 0 to 1), max_memory (bytes): requirements for the approximate
        index. If the present one does not meet them, it is built again; if none can, search is
        exact and a warning says so.
        on_reject: what happens if a query is missing, broken or not an image. "raise": raise
        ImageRejected. "skip": leave it out with a warning, and raise only if no query is left.
        Searches with `where`, and with min_similarity but without k, are always exact.
        Raises UsageError (k below 1, min_similarity outside -1 to 1, no query, no such row),
        ImageRejected, ModelMismatch (a vector of another number of dimensions), and IndexLocked if
        a search index must be built while another process writes.

        >>> with embedtool.open("indexes/photos") as index:
        ...     result = index.search("photos/fish/fish-03.jpg", k=2, where=["label=fish"])
        >>> [(match.rank, match.path.name) for match in result]
        [(1, 'fish-03.jpg'), (2, 'fish-15.jpg')]
        """
        from embedtool.collection.query import search_index
        from embedtool.library.results import SearchResult

        queries, one = as_queries(query)
        found = search_index(
            self.connection,
            queries,
            rows=rows,
            k=k,
            min_similarity=min_similarity,
            where=where,
            min_recall=min_recall,
            max_memory=max_memory,
            on_reject=on_reject,
            progress=progress,
        )
        results = [SearchResult.of(matches) for matches in found]
        return results[0] if one and not rows else results


def as_queries(query: "Query | Sequence[Query]") -> "tuple[list[Query], bool]":
    """Return the queries as a list, and whether `query` was a single one."""
    if isinstance(query, np.ndarray):
        several = 4 if query.dtype == np.uint8 else 1 if query.dtype.kind in "UO" else 2
        one = query.ndim != several
    else:
        one = isinstance(query, str) or not isinstance(query, Sequence)
    return ([query] if one else list(query)), one  # type: ignore[list-item, arg-type]
