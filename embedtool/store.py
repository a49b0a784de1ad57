"""The collection on disk: a SQLite catalogue and immutable vector segments.

    <index>/catalog.sqlite        the manifest: what is not in it does not exist
    <index>/vectors/000001.npy    float16 (n, d), rows of length 1, never changed once named
    <index>/writer.lock           held by the one writer; dies with its process

`Index` here reads; `embedtool.writer` writes. A commit writes a segment under a temporary name,
syncs it, renames it, syncs its folder, and only then makes its rows visible in one SQLite
transaction. A crash leaves at most files that no catalogue row names; the next writer removes them.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from embedtool.errors import EmbedtoolError, IndexDamaged, IndexLocked, IndexTooNew, NotAnIndex
from embedtool.layout import (
    APPLICATION_ID,
    FORMAT,
    Refusal,
    Row,
    Segment,
    connect,
    exists,
    full_path,
    segment_file,
)
from embedtool.types import Recipe, Reject, Vectors, unit_rows

BLOCK_ROWS = 1024  # rows turned to float32 at a time: 5 MB at d = 1,280 stay in a cache


class Index:
    """A reader. Needs no lock; `snapshot` holds one whole version for as long as it is open."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._segments: dict[int, npt.NDArray[np.float16]] = {}
        if not exists(self.path):
            raise NotAnIndex(
                f"expected an index folder with a catalog.sqlite, found none at {self.path}. "
                f"Make one: embedtool index PHOTOS --index {self.path}"
            )
        with self._faults():
            self._db = connect(self.path / "catalog.sqlite")
        try:
            self._read_meta()
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def snapshot(self) -> Iterator[Self]:
        """Everything read inside is of one version, whatever a writer commits meanwhile."""
        with self._faults():
            self._db.execute("BEGIN")
            try:
                yield self
            finally:
                self._db.execute("ROLLBACK")

    def counts(self) -> dict[str, int]:
        """Rows in each table: images, vectors, rejects, segments."""
        with self._faults():
            return {
                table: self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("images", "vectors", "rejects", "segments")
            }

    def roots(self) -> list[bytes]:
        with self._faults():
            return [path for (path,) in self._db.execute("SELECT path FROM roots ORDER BY id")]

    def rows(self) -> Iterator[Row]:
        """Every image, in the order of its id."""
        with self._faults():
            yield from (
                Row(*values)
                for values in self._db.execute(
                    "SELECT i.id, r.path, i.path, i.size, i.mtime_ns, v.digest FROM images i "
                    "JOIN roots r ON r.id = i.root JOIN vectors v ON v.id = i.vector ORDER BY i.id"
                )
            )

    def refusals(self) -> Iterator[Refusal]:
        with self._faults():
            yield from (
                Refusal(*values)
                for values in self._db.execute(
                    "SELECT r.path, x.path, x.size, x.mtime_ns, x.stage, x.reason FROM rejects x "
                    "JOIN roots r ON r.id = x.root ORDER BY r.path, x.path"
                )
            )

    def rejects(self) -> list[Reject]:
        """Every file that was refused, by path."""
        return [Reject(full_path(x.root, x.path), x.stage, x.reason) for x in self.refusals()]

    def digests(self) -> set[bytes]:
        with self._faults():
            return {digest for (digest,) in self._db.execute("SELECT digest FROM vectors")}

    def segments(self) -> list[Segment]:
        with self._faults():
            return [Segment(*v) for v in self._db.execute("SELECT * FROM segments ORDER BY id")]

    def blocks(self) -> Iterator[tuple[npt.NDArray[np.int64], Vectors]]:
        """Vector ids (n,) and their unit rows (n, d), at most BLOCK_ROWS at a time, copies once.

        Every segment is checked against its SHA-256 before its first row is used.
        """
        with self._faults():
            for segment in self.segments():
                live = self._db.execute(
                    "SELECT id, row FROM vectors v WHERE segment = ? AND EXISTS "
                    "(SELECT 1 FROM images WHERE vector = v.id) ORDER BY row",
                    (segment.id,),
                ).fetchall()
                if not live:
                    continue
                stored = self._segment(segment)
                ids, places = np.fromiter(chain(*live), np.int64).reshape(-1, 2).T
                if not 0 <= places[0] <= places[-1] < segment.rows:
                    raise self._damaged(f"segment {segment.id} has no row {places[-1]}")
                for start in range(0, len(ids), BLOCK_ROWS):
                    part = slice(start, start + BLOCK_ROWS)
                    yield ids[part], unit_rows(stored[places[part]])

    def paths_of(self, vector: int) -> list[Path]:
        """Where the images of one vector stand, first indexed first."""
        found = self._db.execute(
            "SELECT r.path, i.path FROM images i JOIN roots r ON r.id = i.root "
            "WHERE i.vector = ? ORDER BY i.id",
            (vector,),
        )
        return [full_path(root, path) for root, path in found]

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
        with self._faults():
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
                    stored = self._segment(segment)
                    unit_rows(stored[:])
                except EmbedtoolError as error:
                    faults.append(str(error))
                    continue
                outside = self._db.execute(
                    "SELECT count(*) FROM vectors WHERE segment = ? AND NOT row BETWEEN 0 AND ?",
                    (segment.id, len(stored) - 1),
                ).fetchone()[0]
                if outside:
                    faults.append(f"segment {segment.id}: {outside} vectors lie outside it")
        return faults

    def _stored(self, where: str, values: Sequence[Any]) -> tuple[Path, Vectors] | None:
        with self._faults():
            found = self._db.execute(
                "SELECT r.path, i.path, v.segment, v.row FROM images i "
                "JOIN roots r ON r.id = i.root JOIN vectors v ON v.id = i.vector WHERE " + where,
                values,
            ).fetchone()
            if found is None:
                return None
            root, path, number, row = found
            segment = next(s for s in self.segments() if s.id == number)
            return full_path(root, path), unit_rows(self._segment(segment)[row : row + 1])

    def _segment(self, segment: Segment) -> npt.NDArray[np.float16]:
        if segment.id not in self._segments:
            file = segment_file(self.path, segment.id)
            try:
                with open(file, "rb") as opened:
                    whole = os.fstat(opened.fileno()).st_size == segment.bytes and (
                        hashlib.file_digest(opened, "sha256").hexdigest() == segment.sha256
                    )
            except OSError as error:
                raise self._damaged(f"cannot read {file}: {error.strerror}") from error
            if not whole:
                raise self._damaged(f"{file} is not what was committed (SHA-256 differs)")
            stored = np.load(file, mmap_mode="r", allow_pickle=False)
            if stored.shape != (segment.rows, self.dim) or stored.dtype != np.float16:
                raise self._damaged(
                    f"{file}: expected float16 ({segment.rows}, {self.dim}), "
                    f"found {stored.dtype} {stored.shape}"
                )
            self._segments[segment.id] = stored
        return self._segments[segment.id]

    def _read_meta(self) -> None:
        with self._faults():
            self._check_format()
            self.meta: dict[str, Any] = dict(self._db.execute("SELECT key, value FROM meta"))
        try:
            self.fingerprint = str(self.meta["fingerprint"])
            self.model = str(self.meta["model"])
            self.dim = int(self.meta["dim"])
            self.recipe = Recipe(**json.loads(self.meta["recipe"]))
            self.golden = np.frombuffer(self.meta["golden"], "<f4").reshape(-1, self.dim)
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(f"its meta table is incomplete ({error!r})") from error
        if self.recipe.fingerprint != self.fingerprint:
            raise self._damaged("its recipe and its fingerprint differ")

    def _check_format(self) -> None:
        application = self._db.execute("PRAGMA application_id").fetchone()[0]
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if application != APPLICATION_ID:
            raise NotAnIndex(
                f"{self.path / 'catalog.sqlite'} is a SQLite file, but not an embedtool index"
            )
        if version > FORMAT:
            raise IndexTooNew(
                f"{self.path} has index format {version}; this embedtool reads up to {FORMAT}. "
                "Upgrade: pip install -U embedtool"
            )

    def _damaged(self, what: str) -> IndexDamaged:
        return IndexDamaged(
            f"index {self.path} is damaged: {what}. Restore it from a copy, or index the photos "
            "again into a new folder; `embedtool verify` lists all that is wrong"
        )

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """SQLite's own errors, in our words."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise IndexLocked(f"index {self.path} is busy: {error}. Try again") from error
            if "malformed" in str(error):
                raise self._damaged(str(error)) from error
            raise EmbedtoolError(f"cannot use {self.path / 'catalog.sqlite'}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(f"catalog.sqlite: {error}") from error
