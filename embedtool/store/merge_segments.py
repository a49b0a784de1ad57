"""Merge small vector files into a few large ones, without dead rows.

Each new segment is committed separately: merging needs free space for one segment, can be killed at
any moment, and continues where it stopped. Rows are copied bit for bit.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from embedtool.store.layout import Segment
from embedtool.store.segments import Stored
from embedtool.store.writer import Writer

SEGMENT_ROWS = 65_536  # rows of a merged segment: 168 MB at d = 1,280, the free space it needs


def merge_segments(writer: Writer) -> None:
    """Merge all segments into as few as possible, with live rows only."""
    writer.drop((), ())  # removes vectors without an image, left by an interrupted run
    group: list[Segment] = []
    live: list[npt.NDArray[np.void]] = []
    for segment in writer.segments():
        places = writer.places_in(segment)
        if group and sum(map(len, live)) + len(places) > SEGMENT_ROWS:
            _merge_group(writer, group, np.concatenate(live))
            group, live = [], []
        group.append(segment)
        live.append(places)
    if group:
        _merge_group(writer, group, np.concatenate(live))


def _merge_group(writer: Writer, old: Sequence[Segment], live: npt.NDArray[np.void]) -> None:
    """Copy the live rows of `old` to one new segment."""
    if len(old) == 1 and old[0].rows == len(live):
        return
    new = writer.write_segment(_live_rows(writer, old, live), len(live)) if live.size else None
    writer.replace_segments(old, new, live["id"].tolist())


def _live_rows(
    writer: Writer, old: Sequence[Segment], live: npt.NDArray[np.void]
) -> Iterator[Stored]:
    for segment in old:
        yield from writer.stored_blocks(segment, live["row"][live["segment"] == segment.id])
