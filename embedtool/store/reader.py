"""The collection on disk: a SQLite catalogue and immutable vector segments.

    <index>/catalog.sqlite        the manifest: what is not in it does not exist
    <index>/catalog.sha256        its seal
    <index>/vectors/000001.npy    float16 (n, d), rows of length 1, never changed once named
    <index>/derived/              made from the others, may be deleted at any time
    <index>/writer.lock           held by the one writer; dies with its process
    <index>/decoding              while a writer decodes, see embedtool.images.quarantine

`IndexReader` here reads; `store.writer` writes. A commit writes a segment under a temporary name,
syncs it, renames it, syncs its folder, and only then makes its rows visible in one SQLite
transaction. A crash leaves at most files that no catalogue row names; the next writer removes them.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.core.paths import full_path
from embedtool.core.types import Vectors, normalise
from embedtool.errors import EmbedtoolError
from embedtool.store.catalogue import Catalogue
from embedtool.store.layout import Segment, damaged, segment_file
from embedtool.store.segments import Stored, check_segment, map_segment, row_checksums, to_float32

BLOCK_ROWS = 1024  # rows turned to float32 at a time: 5 MB at d = 1,280 stay in a cache
PLACE = np.dtype([("id", "i8"), ("segment", "i8"), ("row", "i8"), ("crc", "u4")])


class IndexReader(Catalogue):
    """A reader of a collection: the catalogue, and the vectors it names."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._mapped: dict[int, Stored] = {}
        self._checked: set[int] = set()
        self._requested: Counter[int] = Counter()  # rows of a segment, by `stored_at`
        self._opening = Lock()
        super().__init__(path)

    def blocks(self) -> Iterator[tuple[npt.NDArray[np.int64], Vectors]]:
        """Vector ids (n,) and their unit rows (n, d), at most BLOCK_ROWS at a time, copies once."""
        for segment in self.segments():
            live = self.places_in(segment)
            start = 0
            for stored in self.stored_blocks(segment, live["row"]):
                yield live["id"][start : start + len(stored)], normalise(to_float32(stored))
                start += len(stored)

    def stored_blocks(self, segment: Segment, rows: npt.NDArray[np.int64]) -> Iterator[Stored]:
        """These rows of a segment as they lie on disk, at most BLOCK_ROWS at a time; the whole
        segment is checked against its SHA-256 first, once a reader."""
        if rows.size:
            self._check(segment.id)
        for start in range(0, len(rows), BLOCK_ROWS):
            part = rows[start : start + BLOCK_ROWS]
            yield self._map(segment.id, part)[part]

    def places_in(self, segment: Segment) -> npt.NDArray[np.void]:
        """Where the vectors of a segment lie, in order, as PLACE records."""
        with self._sqlite_errors():
            return self._live_places("segment = ? ORDER BY row", segment.id)

    def places(self, ids: Iterable[int]) -> npt.NDArray[np.void]:
        """Where the vectors of these ids lie, by id, as PLACE records; ids that no image holds any
        more are left out."""
        with self._sqlite_errors():
            wanted = json.dumps([int(id) for id in ids])
            return self._live_places("id IN (SELECT value FROM json_each(?)) ORDER BY id", wanted)

    def places_after(self, id: int) -> npt.NDArray[np.void]:
        """The same for every vector of a later id."""
        with self._sqlite_errors():
            return self._live_places("id > ? ORDER BY id", id)

    def blocks_at(
        self, places: npt.NDArray[np.void]
    ) -> Iterator[tuple[npt.NDArray[np.int64], Vectors]]:
        """The ids (n,) and unit rows (n, d) at PLACE records, at most BLOCK_ROWS at a time."""
        for start in range(0, len(places), BLOCK_ROWS):
            part = places[start : start + BLOCK_ROWS]
            yield part["id"], self.rows_at(part)

    def expect_reads(self, places: npt.NDArray[np.void]) -> None:
        """Announce that the rows at all these PLACE records will be read, part by part: a segment
        that is to be read whole is then checked whole, which is faster than row by row."""
        numbers, counts = np.unique(places["segment"], return_counts=True)
        self._requested.update(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))

    def rows_at(self, places: npt.NDArray[np.void]) -> Vectors:
        """The unit rows (n, d) at PLACE records, as `stored_at` reads them."""
        return normalise(to_float32(self.stored_at(places)))

    def stored_at(self, places: npt.NDArray[np.void]) -> Stored:
        """The rows at PLACE records as they lie on disk, each checked, none of the others read.

        Once as many rows of a segment were requested as it has, it is checked whole instead.
        Several threads may call it.
        """
        stored = np.empty((len(places), self.dim), np.float16)
        for number in np.unique(places["segment"]).tolist():
            here = np.flatnonzero(places["segment"] == number)
            rows = places["row"][here]
            with self._opening:
                segment = self._map(number, rows)
                if self.format == 1 or self._requested[number] >= len(segment):
                    self._check(number)  # format 1 has no CRC of a row
                self._requested[number] += len(rows)
            if len(here) == here[-1] - here[0] + 1:
                taken = stored[here[0] : here[-1] + 1]
                segment.take(rows, 0, taken, "clip")  # `_map` has looked: without a copy between
            else:
                taken = stored[here] = segment[rows]
            if number not in self._checked:
                wrong = np.flatnonzero(row_checksums(taken) != places["crc"][here])
                if wrong.size:
                    file = segment_file(self.path, number)
                    raise damaged(
                        self.path, f"row {rows[wrong[0]]} of {file} is not what was committed"
                    )
        return stored

    def image(self, id: int) -> tuple[Path, Vectors] | None:
        """The path and the vector (1, d) of the image with this id."""
        return self._stored("i.id = ?", (id,)) if 0 < id < 1 << 63 else None

    def image_at(self, path: str | os.PathLike[str]) -> tuple[Path, Vectors] | None:
        """The same for a path, unless the file there has changed since it was indexed."""
        full = os.path.abspath(os.fsencode(path))
        for root in self.roots():
            prefix = root.rstrip(b"/") + b"/"
            if full.startswith(prefix):
                where = "r.path = ? AND i.path = ?"
                values: list[bytes | int] = [root, full[len(prefix) :]]
                if os.path.exists(full):
                    status = os.stat(full)
                    where += " AND i.size = ? AND i.mtime_ns = ?"
                    values += [status.st_size, status.st_mtime_ns]
                stored = self._stored(where, values)
                if stored:
                    return stored
        return None

    def verify(self) -> list[str]:
        """Re-hash every segment and check every row; return what is wrong, [] if whole."""
        faults = []
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
            for segment in self.segments():
                try:
                    for stored in self.stored_blocks(segment, np.arange(segment.rows)):
                        normalise(to_float32(stored))
                except EmbedtoolError as error:
                    faults.append(str(error))
                    continue
                outside = self._db.execute(
                    "SELECT count(*) FROM vectors WHERE segment = ? AND NOT row BETWEEN 0 AND ?",
                    (segment.id, segment.rows - 1),
                ).fetchone()[0]
                if outside:
                    faults.append(f"segment {segment.id}: {outside} vectors lie outside it")
        return faults

    def _stored(self, where: str, values: Sequence[Any]) -> tuple[Path, Vectors] | None:
        with self.snapshot():
            found = self._db.execute(
                "SELECT r.path, i.path, i.vector FROM images i "
                "JOIN roots r ON r.id = i.root JOIN vectors v ON v.id = i.vector WHERE " + where,
                values,
            ).fetchone()
            if found is None:
                return None
            root, path, vector = found
            return full_path(root, path), self.rows_at(self.places([vector]))

    def _live_places(self, where: str, value: int | str) -> npt.NDArray[np.void]:
        """PLACE records of vectors that an image holds."""
        crc = "crc" if self.format > 1 else "0"
        found = self._db.execute(
            f"SELECT id, segment, row, {crc} FROM vectors v "
            f"WHERE EXISTS (SELECT 1 FROM images WHERE vector = v.id) AND {where}",
            (value,),
        )
        return np.fromiter(found, PLACE)

    def _check(self, number: int) -> None:
        if number not in self._checked:
            check_segment(self.path, self.segment(number))
            self._checked.add(number)

    def _map(self, number: int, rows: npt.NDArray[np.int64]) -> Stored:
        """A segment, memory-mapped, that has these rows (n,)."""
        if number not in self._mapped:
            self._mapped[number] = map_segment(self.path, self.segment(number), self.dim)
        segment = self._mapped[number]
        if rows.size and not 0 <= rows.min() <= rows.max() < len(segment):
            raise damaged(self.path, f"segment {number} has no row {rows.max()}")
        return segment
