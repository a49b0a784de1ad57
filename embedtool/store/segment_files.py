"""The vector files of an index, mapped and checked once for all its readers in a process."""

from collections import Counter
from collections.abc import Callable, Container
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

from embedtool.store.layout import Segment, damaged
from embedtool.store.segments import Stored, check_segment, map_segment

Rows = npt.NDArray[np.int64]
FindSegment = Callable[[int], Segment]  # by number; raises IndexDamaged


class SegmentFiles:
    """Segments by number. Numbers are never reused, so the result of a check remains valid."""

    def __init__(self, index: Path, dim: int) -> None:
        self._index = index
        self._dim = dim
        self._mapped: dict[int, Stored] = {}
        self._checked: set[int] = set()
        self._requested: Counter[int] = Counter()  # rows of each segment that were requested
        self._lock = Lock()

    def whole(self, number: int, rows: Rows, find: FindSegment) -> Stored:
        """Return the segment that has these rows (n,), checked once as a whole against its
        SHA-256."""
        with self._lock:
            self._check(number, find)
            return self._map(number, rows, find)

    def rows_of(
        self, number: int, rows: Rows, find: FindSegment, *, whole: bool
    ) -> tuple[Stored, bool]:
        """Return the segment that has these rows (n,), and whether all of it has been checked.

        It is checked as a whole once as many rows have been requested as it has, or at once if
        `whole`.
        """
        with self._lock:
            segment = self._map(number, rows, find)
            if whole or self._requested[number] >= len(segment):
                self._check(number, find)
            self._requested[number] += len(rows)
            return segment, number in self._checked

    def expect(self, counts: dict[int, int]) -> None:
        """Announce how many rows of each segment will be read.

        A segment of which all rows will be read is then checked as a whole, which is faster than
        checking row by row."""
        with self._lock:
            self._requested.update(counts)

    def forget_others(self, numbers: Container[int]) -> None:
        """Release the files of all segments except these."""
        with self._lock:
            self._mapped = {n: mapped for n, mapped in self._mapped.items() if n in numbers}

    def _map(self, number: int, rows: Rows, find: FindSegment) -> Stored:
        """Return a memory-mapped segment. Raises IndexDamaged if it lacks one of the rows (n,)."""
        if number not in self._mapped:
            self._mapped[number] = map_segment(self._index, find(number), self._dim)
        segment = self._mapped[number]
        if rows.size and not 0 <= rows.min() <= rows.max() < len(segment):
            raise damaged(self._index, f"segment {number} has no row {rows.max()}")
        return segment

    def _check(self, number: int, find: FindSegment) -> None:
        if number not in self._checked:
            check_segment(self._index, find(number))
            self._checked.add(number)
