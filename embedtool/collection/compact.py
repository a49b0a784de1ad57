"""`compact_index`: free the disk space of removed images."""

from embedtool.collection.results import CompactReport
from embedtool.core.types import Progress
from embedtool.models.unrelated_vectors import unrelated_vectors
from embedtool.search.refresh import refresh_search_index
from embedtool.store.merge_segments import merge_segments
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer


def compact_index(index: IndexReader, *, progress: Progress | None = None) -> CompactReport:
    """Reclaim the disk space of removed images, and merge vector files into a few large ones.

    If the approximate search index is missing or damaged, it is built again.

    Raises IndexLocked if another process is writing to the index.
    """
    with Writer(index.path, files=index.files) as writer:
        before = writer.segments()
        merge_segments(writer)
        writer.vacuum()
        after = writer.segments()
        refresh_search_index(writer, unrelated=unrelated_vectors, load=True, progress=progress)
    return CompactReport(
        len(before), len(after), sum(s.bytes for s in before), sum(s.bytes for s in after)
    )
