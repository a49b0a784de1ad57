"""The collection on disk: a SQLite catalogue and immutable vector segments.

    <index>/catalog.sqlite        the manifest: files that it does not list are not in the index
    <index>/catalog.sha256        the seal (checksum) of the manifest
    <index>/vectors/000001.npy    float16 (n, d), unit rows, never changed after the rename
    <index>/derived/              made from the other files, can be deleted at any time
    <index>/writer.lock           held by the only writer, released when its process ends
    <index>/decoding              exists while a writer decodes, see embedtool.images.quarantine

`IndexReader` reads the index; `store.writer` writes it. A commit writes a segment under a temporary
name, syncs it, renames it, syncs its folder, and only then makes its rows visible in one SQLite
transaction. A crash leaves at most files that no catalogue row names; the next writer removes them.
"""

import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.core.paths import full_path
from embedtool.core.types import Vectors, normalise
from embedtool.errors import EmbedtoolError, IndexDamaged
from embedtool.store.catalogue import Catalogue
from embedtool.store.columns import inner_paths, integers, roots
from embedtool.store.layout import Segment, damaged, segment_file
from embedtool.store.segment_files import SegmentFiles
from embedtool.store.segments import Stored, row_checksums, to_float32

BLOCK_ROWS = 1024  # rows converted to float32 at a time: 5 MB at d = 1,280 fit in the CPU cache
PLACE = np.dtype([("id", "i8"), ("segment", "i8"), ("row", "i8"), ("crc", "u4")])


class IndexReader(Catalogue):
    """A reader of an index: its catalogue and its vectors."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        files: SegmentFiles | None = None,
        check: bool = True,
    ) -> None:
        """files: the segment files of another reader of this index; its checks are not repeated.
        check: compare the catalogue with its seal."""
        super().__init__(path, check=check)
        self.files = files or SegmentFiles(self.path, self.dim)

    def blocks(self) -> Iterator[tuple[npt.NDArray[np.int64], Vectors]]:
        """Yield vector ids (n,) and their unit rows (n, d), at most BLOCK_ROWS at a time.

        Identical files share a vector, which is yielded once."""
        for segment in self.segments():
            live = self.places_in(segment)
            start = 0
            for stored in self.stored_blocks(segment, live["row"]):
                yield live["id"][start : start + len(stored)], normalise(to_float32(stored))
                start += len(stored)

    def stored_blocks(self, segment: Segment, rows: npt.NDArray[np.int64]) -> Iterator[Stored]:
        """Yield these rows of a segment as stored on disk, at most BLOCK_ROWS at a time.

        The whole segment is first checked against its SHA-256, once per reader."""
        if not rows.size:
            return
        stored = self.files.whole(segment.id, rows, self.segment)
        for start in range(0, len(rows), BLOCK_ROWS):
            yield stored[rows[start : start + BLOCK_ROWS]]

    def whole_blocks(self, segment: Segment) -> Iterator[Stored]:
        """Yield all rows of a segment as `stored_blocks` does."""
        stored = self.files.whole(segment.id, np.empty(0, np.int64), self.segment)
        for start in range(0, len(stored), BLOCK_ROWS):
            yield stored[start : start + BLOCK_ROWS]

    def places_in(self, segment: Segment) -> npt.NDArray[np.void]:
        """Return the places of the vectors of a segment, in order, as PLACE records."""
        with self._sqlite_errors():
            return self._live_places("segment = ? ORDER BY row", segment.id)

    def places(self, ids: Iterable[int]) -> npt.NDArray[np.void]:
        """Return the places of the vectors with these ids, sorted by id, as PLACE records.

        Ids that no longer belong to an image are left out."""
        with self._sqlite_errors():
            wanted = json.dumps([int(id) for id in ids])
            return self._live_places("id IN (SELECT value FROM json_each(?)) ORDER BY id", wanted)

    def places_after(self, id: int) -> npt.NDArray[np.void]:
        """Return the places of all vectors with a higher id, sorted by id, as PLACE records."""
        with self._sqlite_errors():
            return self._live_places("id > ? ORDER BY id", id)

    def blocks_at(
        self, places: npt.NDArray[np.void]
    ) -> Iterator[tuple[npt.NDArray[np.int64], Vectors]]:
        """Yield ids (n,) and unit rows (n, d) at PLACE records, at most BLOCK_ROWS at a time."""
        for start in range(0, len(places), BLOCK_ROWS):
            part = places[start : start + BLOCK_ROWS]
            yield part["id"], self.rows_at(part)

    def expect_reads(self, places: npt.NDArray[np.void]) -> None:
        """Announce that the rows at all these PLACE records will be read, in several parts.

        A segment of which all rows will be read is then checked as a whole, which is faster than
        checking row by row."""
        numbers, counts = np.unique(places["segment"], return_counts=True)
        self.files.expect(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))

    def rows_at(self, places: npt.NDArray[np.void]) -> Vectors:
        """Return the unit rows (n, d) at PLACE records, read and checked by `stored_at`."""
        return normalise(to_float32(self.stored_at(places)))

    def vectors_of(self, ids: npt.NDArray[np.int64]) -> Vectors:
        """Return the unit rows (n, d) of vectors by id (n,), in any order and with repeats."""
        distinct, back = np.unique(ids, return_inverse=True)
        return self.rows_at(self.places(distinct.tolist()))[back]

    def stored_at(self, places: npt.NDArray[np.void]) -> Stored:
        """Return the rows at PLACE records as stored on disk. Each is checked; no others are read.

        Once as many rows of a segment have been requested as it has, it is checked as a whole
        instead. Several threads may call this method at the same time.
        """
        stored = np.empty((len(places), self.dim), np.float16)
        for number in np.unique(places["segment"]).tolist():
            here = np.flatnonzero(places["segment"] == number)
            rows = places["row"][here]
            # Format 1 has no CRC for each row.
            segment, checked = self.files.rows_of(
                number, rows, self.segment, whole=self.format == 1
            )
            if len(here) == here[-1] - here[0] + 1:
                taken = stored[here[0] : here[-1] + 1]
                segment.take(rows, 0, taken, "clip")  # without a buffer; `rows_of` checked the rows
            else:
                taken = stored[here] = segment[rows]
            if not checked:
                wrong = np.flatnonzero(row_checksums(taken) != places["crc"][here])
                if wrong.size:
                    file = segment_file(self.path, number)
                    raise damaged(
                        self.path, f"row {rows[wrong[0]]} of {file} has changed (CRC-32 differs)"
                    )
        return stored

    def image(self, id: int) -> tuple[Path, Vectors] | None:
        """Return the path and the vector (1, d) of the image with this id, or None."""
        return self._stored("i.id = ?", (id,)) if 0 < id < 1 << 63 else None

    def image_at(self, path: str | os.PathLike[str]) -> tuple[Path, Vectors] | None:
        """Return the path and the vector (1, d) of the image at this path.

        Returns None if the path is not indexed, or if its file has changed since."""
        full = os.path.abspath(os.fsencode(path))
        try:
            status = os.stat(full)
            unchanged = " AND i.size = ? AND i.mtime_ns = ?"
            state = [status.st_size, status.st_mtime_ns]
        except OSError:  # the file is gone, but its vector may still be stored
            unchanged, state = "", []
        with self.snapshot():
            for root in self.roots():
                prefix = root.rstrip(b"/") + b"/"
                if full.startswith(prefix):
                    where = "r.path = ? AND i.path = ?" + unchanged
                    stored = self._stored(where, [root, full[len(prefix) :], *state])
                    if stored:
                        return stored
            return None

    def forget_old_segments(self) -> None:
        """Release vector files that the catalogue no longer names."""
        self.files.forget_others({segment.id for segment in self.segments()})

    def verify(self) -> list[str]:
        """Check every segment against its SHA-256, and every row. Return the faults, [] if there
        are none."""
        faults = []
        reads: tuple[Callable[[], Iterable[object]], ...] = (
            self.rows,
            self.reject_rows,
            self.digests,
            lambda: self.places_after(0),
        )
        for read in reads:
            try:
                deque(read(), maxlen=0)
            except IndexDamaged as error:
                faults.append(str(error))
        with self._sqlite_errors():
            faults += [
                f"catalog.sqlite: {text}"
                for (text,) in self._db.execute("PRAGMA integrity_check")
                if text != "ok"
            ]
            faults += [
                f"catalog.sqlite: a row of {table} names a missing {parent}"
                for table, _, parent, _ in self._db.execute("PRAGMA foreign_key_check")
            ]
            for segment in self._valid_segments(faults):
                try:
                    for stored in self.whole_blocks(segment):
                        normalise(to_float32(stored))
                except EmbedtoolError as error:
                    faults.append(str(error))
                    continue
                outside = self._db.execute(
                    "SELECT count(*) FROM vectors WHERE segment = ? AND NOT row BETWEEN 0 AND ?",
                    (segment.id, segment.rows - 1),
                ).fetchone()[0]
                if outside:
                    faults.append(f"segment {segment.id}: {outside} vectors have no row in it")
        return faults

    def _valid_segments(self, faults: list[str]) -> list[Segment]:
        """Return the segments, or none, with the fault added, if the catalogue has a wrong one."""
        try:
            return self.segments()
        except IndexDamaged as error:
            faults.append(str(error))
            return []

    def _stored(self, where: str, values: Sequence[Any]) -> tuple[Path, Vectors] | None:
        with self.snapshot():
            found = self._select(
                (integers, roots, inner_paths),
                "SELECT i.vector, r.path, i.path FROM images i "
                "JOIN roots r ON r.id = i.root WHERE " + where,
                *values,
            )
            for vector, root, path in list(found):
                return full_path(root, path), self.rows_at(self.places([vector]))
            return None

    def _live_places(self, where: str, value: int | str) -> npt.NDArray[np.void]:
        """Return PLACE records of vectors that belong to an image."""
        found = self._db.execute(
            f"SELECT id, segment, row, {self._crc()} FROM vectors v "
            f"WHERE EXISTS (SELECT 1 FROM images WHERE vector = v.id) AND {where}",
            (value,),
        )
        try:
            return np.fromiter(found, PLACE)
        except (ValueError, TypeError, OverflowError) as error:
            raise damaged(self.path, f"catalog.sqlite: a place of a vector: {error}") from error

    def _crc(self) -> str:
        return "v.crc" if self.format > 1 else "0"
