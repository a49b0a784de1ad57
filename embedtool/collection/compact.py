"""`compact_index`: the room of what is gone given back to the disk."""

from dataclasses import dataclass

from embedtool.core.types import PathLike, Progress
from embedtool.search.refresh import refresh_search
from embedtool.store.merge_segments import join_segments
from embedtool.store.writer import Writer


@dataclass(frozen=True)
class CompactReport:
    """Vector files and their bytes, before and after."""

    segments_before: int
    segments_after: int
    bytes_before: int
    bytes_after: int


def compact_index(index: PathLike, *, progress: Progress | None = None) -> CompactReport:
    """Give the room of removed images back to the disk, and leave few, large vector files.

    An approximate search index that is missing or damaged is made again.

    Raises IndexLocked where another process is writing.
    """
    with Writer(index) as writer:
        before = writer.segments()
        join_segments(writer)
        writer.vacuum()
        after = writer.segments()
        refresh_search(writer, progress=progress)
    return CompactReport(
        len(before), len(after), sum(s.bytes for s in before), sum(s.bytes for s in after)
    )
