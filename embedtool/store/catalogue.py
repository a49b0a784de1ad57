"""The catalogue: one SQLite file that says what is in an index and where.

What is not in it does not exist. It is sealed against flipped bits by `embedtool.store.seal`.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from embedtool.core.atomic_files import sync_folder
from embedtool.core.paths import full_path
from embedtool.core.types import Recipe, Reject
from embedtool.errors import EmbedtoolError, IndexLocked, IndexTooNew, NotAnIndex
from embedtool.store.layout import (
    APPLICATION_ID,
    FORMAT,
    SCHEMA,
    RejectRow,
    Row,
    Segment,
    connect,
    damaged,
    exists,
)
from embedtool.store.seal import check_seal

BUSY_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
# The statements are fixed, so a broken constraint is damage, too. SQLITE_ERROR is not: it is also a
# connection that is not used as it should be.
DAMAGE_CODES = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_TOOBIG,
}


class Catalogue:
    """What an index holds. Needs no lock; `snapshot` keeps one whole version while it is open."""

    def __init__(self, path: str | os.PathLike[str], *, check: bool = True) -> None:
        """check: compare the file with its seal, which reads all of it."""
        self.path = Path(path)
        if not exists(self.path):
            raise NotAnIndex(
                f"expected an index folder with a catalog.sqlite, found none at {self.path}. "
                f"Make one: embedtool index PHOTOS --index {self.path}"
            )
        with self._sqlite_errors():
            self._db = connect(self.path / "catalog.sqlite")
        try:
            self._read_meta(check)
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def snapshot(self) -> Iterator[Self]:
        """Everything read inside is of one version, whatever a writer commits meanwhile."""
        if self._db.in_transaction:
            yield self
            return
        with self._sqlite_errors():
            self._db.execute("BEGIN")
            try:
                yield self
            finally:
                if self._db.in_transaction:  # after an I/O error SQLite ends it by itself
                    self._db.execute("ROLLBACK")

    def version(self) -> int:
        """Return a number that changes when another process, or reader, changes the catalogue. It
        means nothing to other readers."""
        with self._sqlite_errors():
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def counts(self) -> dict[str, int]:
        """Rows in each table: images, vectors, rejects, segments."""
        with self._sqlite_errors():
            return {
                table: self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("images", "vectors", "rejects", "segments")
            }

    def count_until(self, id: int) -> int:
        """How many vectors have this id or an earlier one."""
        with self._sqlite_errors():
            found = self._db.execute("SELECT count(*) FROM vectors WHERE id <= ?", (id,)).fetchone()
            return int(found[0])

    def roots(self) -> list[bytes]:
        with self._sqlite_errors():
            return [path for (path,) in self._db.execute("SELECT path FROM roots ORDER BY id")]

    def rows(self) -> Iterator[Row]:
        """Every image, in the order of its id."""
        with self._sqlite_errors():
            yield from (
                Row(*values)
                for values in self._db.execute(
                    "SELECT i.id, r.path, i.path, i.size, i.mtime_ns, v.digest FROM images i "
                    "JOIN roots r ON r.id = i.root JOIN vectors v ON v.id = i.vector ORDER BY i.id"
                )
            )

    def reject_rows(self) -> Iterator[RejectRow]:
        with self._sqlite_errors():
            yield from (
                RejectRow(*values)
                for values in self._db.execute(
                    "SELECT r.path, x.path, x.size, x.mtime_ns, x.stage, x.reason FROM rejects x "
                    "JOIN roots r ON r.id = x.root ORDER BY r.path, x.path"
                )
            )

    def rejects(self) -> list[Reject]:
        """Every file that was refused, by path."""
        return [Reject(full_path(x.root, x.path), x.stage, x.reason) for x in self.reject_rows()]

    def digests(self) -> set[bytes]:
        with self._sqlite_errors():
            return {digest for (digest,) in self._db.execute("SELECT digest FROM vectors")}

    def segments(self) -> list[Segment]:
        with self._sqlite_errors():
            return [
                Segment(*values)
                for values in self._db.execute(
                    "SELECT id, rows, bytes, sha256 FROM segments ORDER BY id"
                )
            ]

    def segment(self, number: int) -> Segment:
        """Raises IndexDamaged where there is none of this number."""
        with self._sqlite_errors():
            found = self._db.execute(
                "SELECT id, rows, bytes, sha256 FROM segments WHERE id = ?", (number,)
            ).fetchone()
        if found is None:
            raise damaged(self.path, f"its catalogue has no segment {number}")
        return Segment(*found)

    def images_of(self, ids: Iterable[int]) -> dict[int, list[Row]]:
        """The images of each of these vectors, first indexed first."""
        found: dict[int, list[Row]] = {}
        wanted = json.dumps([int(id) for id in ids])
        with self._sqlite_errors():
            for vector, *values in self._db.execute(
                "SELECT v.id, i.id, r.path, i.path, i.size, i.mtime_ns, v.digest FROM images i "
                "JOIN roots r ON r.id = i.root JOIN vectors v ON v.id = i.vector "
                "WHERE v.id IN (SELECT value FROM json_each(?)) ORDER BY i.id",
                (wanted,),
            ):
                found.setdefault(vector, []).append(Row(*values))
        return found

    def vector_ids(self) -> Iterator[int]:
        """Yield the id of the vector of every image, in the order of `rows`."""
        with self._sqlite_errors():
            yield from (v for (v,) in self._db.execute("SELECT vector FROM images ORDER BY id"))

    def vector_ids_where(self, accepts: Callable[[bytes, bytes], bool]) -> list[int]:
        """Return the ids, ascending, of the vectors of images whose root and path are accepted."""
        with self._sqlite_errors():
            found = self._db.execute(
                "SELECT i.vector, r.path, i.path FROM images i JOIN roots r ON r.id = i.root"
            )
            return sorted({vector for vector, root, path in found if accepts(root, path)})

    def paths_of(self, vector: int) -> list[Path]:
        """Where the images of one vector stand, first indexed first."""
        return [full_path(row.root, row.path) for row in self.images_of([vector]).get(vector, [])]

    def _read_meta(self, check: bool) -> None:
        with self._sqlite_errors():
            self._check_format()
            self._sealed = check and check_seal(self.path, self._db)
            self.meta: dict[str, Any] = dict(self._db.execute("SELECT key, value FROM meta"))
        try:
            self.fingerprint = str(self.meta["fingerprint"])
            self.model = str(self.meta["model"])
            self.dim = int(self.meta["dim"])
            self.recipe = Recipe(**json.loads(self.meta["recipe"]))
            self.golden = np.frombuffer(self.meta["golden"], "<f4").reshape(-1, self.dim)
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(self.path, f"its meta table is incomplete ({error!r})") from error
        if self.recipe.fingerprint != self.fingerprint:
            raise damaged(self.path, "its recipe and its fingerprint differ")

    def _check_format(self) -> None:
        application = self._db.execute("PRAGMA application_id").fetchone()[0]
        version = self.format = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if application != APPLICATION_ID:
            raise NotAnIndex(
                f"{self.path / 'catalog.sqlite'} is a SQLite file, but not an embedtool index"
            )
        if version > FORMAT:
            raise IndexTooNew(
                f"{self.path} has index format {version}; this embedtool reads up to {FORMAT}. "
                "Upgrade: pip install -U embedtool"
            )

    @contextmanager
    def _sqlite_errors(self) -> Iterator[None]:
        """Raise our errors for SQLite's."""
        try:
            yield
        except sqlite3.ProgrammingError:  # such as a closed connection: no fault of the file
            raise
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            # An error without a code is Python's own: a text, or the schema, is not UTF-8.
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
            primary = code & 0xFF  # without what an extended code adds
            if primary in BUSY_CODES:
                raise IndexLocked(f"index {self.path} is busy: {error}. Try again") from error
            if primary in DAMAGE_CODES:
                raise damaged(self.path, f"catalog.sqlite: {error}") from error
            raise EmbedtoolError(f"cannot use {self.path / 'catalog.sqlite'}: {error}") from error


def write_catalogue(file: Path, meta: dict[str, object]) -> None:
    """Make an empty catalogue that appears under its name whole."""
    draft = file.with_name(file.name + ".new")
    journal = file.with_name(draft.name + "-journal")
    journal.unlink(missing_ok=True)
    draft.unlink(missing_ok=True)
    try:
        with closing(connect(draft)) as db:
            db.executescript(SCHEMA)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {FORMAT}")
            db.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", meta.items())
        os.replace(draft, file)
    except sqlite3.Error as error:
        journal.unlink(missing_ok=True)
        draft.unlink(missing_ok=True)
        raise EmbedtoolError(
            f"cannot write {file}: {error}. Free some space, or name another folder with --index"
        ) from error
    sync_folder(file.parent)
