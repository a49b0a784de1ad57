"""Vector files rewritten without their dead rows, small ones joined.

Each new segment is committed by itself: compaction needs the room of one, may be killed at any
moment, and goes on where it stopped. Rows are copied bit by bit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedtool.layout import Segment
from embedtool.renewal import renew_search
from embedtool.segments import Stored
from embedtool.types import PathLike, Progress
from embedtool.writer import Writer

SEGMENT_ROWS = 65_536  # of a rewritten segment: 168 MB at d = 1,280, the spare room this needs


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
        writer.drop((), ())  # vectors that no image holds, left by an interrupted run
        group: list[Segment] = []
        live: list[npt.NDArray[np.void]] = []
        for segment in before:
            places = writer.places_in(segment)
            if group and sum(map(len, live)) + len(places) > SEGMENT_ROWS:
                _merge(writer, group, np.concatenate(live))
                group, live = [], []
            group.append(segment)
            live.append(places)
        if group:
            _merge(writer, group, np.concatenate(live))
        writer.vacuum()
        after = writer.segments()
        renew_search(writer, progress=progress)
    return CompactReport(
        len(before), len(after), sum(s.bytes for s in before), sum(s.bytes for s in after)
    )


def _merge(writer: Writer, old: Sequence[Segment], live: npt.NDArray[np.void]) -> None:
    """Put the live rows of `old` into one new segment."""
    if len(old) == 1 and old[0].rows == len(live):
        return
    new = writer.write_segment(_rows(writer, old, live), len(live)) if live.size else None
    writer.replace_segments(old, new, live["id"].tolist())


def _rows(writer: Writer, old: Sequence[Segment], live: npt.NDArray[np.void]) -> Iterator[Stored]:
    for segment in old:
        yield from writer.stored_blocks(segment, live["row"][live["segment"] == segment.id])
