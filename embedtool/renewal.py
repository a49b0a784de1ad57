"""What a writer sees to before it ends: a large collection has an approximate search index."""

from embedtool.types import EXACT_ROWS, Progress
from embedtool.writer import Writer


def renew_search(index: Writer, *, progress: Progress | None = None) -> None:
    """Make the approximate index where the collection is large and it is missing or of long ago."""
    if index.counts()["vectors"] > EXACT_ROWS:
        from embedtool.search import refresh_search  # a small collection needs no faiss

        refresh_search(index, progress=progress)
