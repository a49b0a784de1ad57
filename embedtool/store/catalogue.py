"""The catalogue: a SQLite file that lists the images of an index and where their vectors are.

Files that it does not list are not part of the index. `embedtool.store.seal` detects flipped bits.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from embedtool.core.foreign_files import parse_json
from embedtool.core.paths import full_path
from embedtool.core.types import Recipe, Reject, recipe_of
from embedtool.errors import EmbedtoolError, IndexLocked, IndexTooNew, NotAnIndex
from embedtool.store.columns import Check, blobs, inner_paths, integers, roots, texts
from embedtool.store.database import DURABLE, FORMAT, SCHEMA, connect, foreign_schema
from embedtool.store.layout import (
    APPLICATION_ID,
    RejectRow,
    Row,
    Segment,
    check_files,
    damaged,
    exists,
)
from embedtool.store.seal import check_seal

BUSY_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
# The statements are fixed, so a violated constraint is damage too. SQLITE_ERROR is not in this set,
# because a connection that is used wrongly raises it as well.
DAMAGE_CODES = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_TOOBIG,
}


# Values of the table `meta` by key, and since which format each is there.
META = {
    "fingerprint": str,
    "model": str,
    "recipe": str,
    "created_by": str,
    "dim": int,
    "golden": bytes,
    "next_vector": int,
    "next_segment": int,
}
META_SINCE = {"next_vector": 2, "next_segment": 2}
MAX_NUMBER = 1 << 62  # of them; SQLite counts up to twice that
ROWS_CHECKED = 100  # at a time
MAX_DIM = 1 << 20


class Catalogue:
    """The contents of an index. Reading needs no lock; a `snapshot` shows a consistent version."""

    def __init__(self, path: str | os.PathLike[str], *, check: bool = True) -> None:
        """check: compare the file with its seal, which reads the whole file."""
        self.path = Path(path)
        if not exists(self.path):
            raise NotAnIndex(
                f"expected an index folder with a catalog.sqlite, found none at {self.path}. "
                f"Make one: embedtool index PHOTOS --index {self.path}"
            )
        check_files(self.path)
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
        """Read one version of the index in a `with` block, whatever a writer commits meanwhile."""
        if self._db.in_transaction:
            yield self
            return
        with self._sqlite_errors():
            self._db.execute("BEGIN")
            try:
                yield self
            finally:
                if self._db.in_transaction:  # SQLite itself ends it after an I/O error
                    self._db.execute("ROLLBACK")

    def version(self) -> int:
        """Return a number that changes when another process or reader changes the catalogue.

        Numbers from different readers cannot be compared."""
        with self._sqlite_errors():
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def counts(self) -> dict[str, int]:
        """Return the number of rows in each table: images, vectors, rejects, segments."""
        with self._sqlite_errors():
            return {
                table: self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("images", "vectors", "rejects", "segments")
            }

    def count_until(self, id: int) -> int:
        """Return how many vectors have this id or a lower one."""
        with self._sqlite_errors():
            found = self._db.execute("SELECT count(*) FROM vectors WHERE id <= ?", (id,)).fetchone()
            return int(found[0])

    def roots(self) -> list[bytes]:
        return [path for (path,) in self._select((roots,), "SELECT path FROM roots ORDER BY id")]

    def rows(self) -> Iterator[Row]:
        """Yield every image, in the order of ids."""
        found = self._select(
            (integers, roots, inner_paths, integers, integers, blobs),
            "SELECT i.id, r.path, i.path, i.size, i.mtime_ns, v.digest FROM images i "
            "JOIN roots r ON r.id = i.root JOIN vectors v ON v.id = i.vector ORDER BY i.id",
        )
        yield from map(Row._make, found)

    def reject_rows(self) -> Iterator[RejectRow]:
        found = self._select(
            (roots, inner_paths, integers, integers, texts, texts),
            "SELECT r.path, x.path, x.size, x.mtime_ns, x.stage, x.reason FROM rejects x "
            "JOIN roots r ON r.id = x.root ORDER BY r.path, x.path",
        )
        yield from map(RejectRow._make, found)

    def rejects(self) -> list[Reject]:
        """Return every rejected file, sorted by root and path."""
        return [Reject(full_path(x.root, x.path), x.stage, x.reason) for x in self.reject_rows()]

    def digests(self) -> set[bytes]:
        return {digest for (digest,) in self._select((blobs,), "SELECT digest FROM vectors")}

    def segments(self) -> list[Segment]:
        return list(self._segments("ORDER BY id"))

    def segment(self, number: int) -> Segment:
        """Return the segment with this number. Raises IndexDamaged if there is none."""
        for segment in self._segments("WHERE id = ?", number):
            return segment
        raise damaged(self.path, f"its catalogue has no segment {number}")

    def images_of(self, ids: Iterable[int]) -> dict[int, list[Row]]:
        """Return the images of each of these vectors, in the order they were indexed."""
        found: dict[int, list[Row]] = {}
        wanted = json.dumps([int(id) for id in ids])
        for vector, *values in self._select(
            (integers, integers, roots, inner_paths, integers, integers, blobs),
            "SELECT v.id, i.id, r.path, i.path, i.size, i.mtime_ns, v.digest FROM images i "
            "JOIN roots r ON r.id = i.root JOIN vectors v ON v.id = i.vector "
            "WHERE v.id IN (SELECT value FROM json_each(?)) ORDER BY i.id",
            wanted,
        ):
            found.setdefault(vector, []).append(Row._make(values))
        return found

    def vector_ids(self) -> Iterator[int]:
        """Yield the id of the vector of every image, in the order of `rows`."""
        yield from (
            v for (v,) in self._select((integers,), "SELECT vector FROM images ORDER BY id")
        )

    def vector_ids_where(self, accepts: Callable[[bytes, bytes], bool]) -> list[int]:
        """Return the ids, ascending, of the vectors of images whose root and path are accepted."""
        found = self._select(
            (integers, roots, inner_paths),
            "SELECT i.vector, r.path, i.path FROM images i JOIN roots r ON r.id = i.root",
        )
        return sorted({vector for vector, root, path in found if accepts(root, path)})

    def paths_of(self, vector: int) -> list[Path]:
        """Return the paths of the images of one vector, in the order they were indexed."""
        return [full_path(row.root, row.path) for row in self.images_of([vector]).get(vector, [])]

    def training_images(self) -> bytes | None:
        """Return the images that the network of the index was trained on, as `create` got them."""
        query = "SELECT value FROM meta WHERE key = 'training_images'"
        for (content,) in self._select((blobs,), query):
            return bytes(content)
        return None

    def _read_meta(self, check: bool) -> None:
        with self._sqlite_errors():
            self._check_format()
            self._sealed = check and check_seal(self.path, self._db)
            if what := foreign_schema(self._db, self.format):
                raise damaged(self.path, f"catalog.sqlite is not one of embedtool: {what}")
            self._db.execute(DURABLE)
            self.meta: dict[str, Any] = dict(
                self._db.execute("SELECT key, value FROM meta WHERE key != 'training_images'")
            )
        for name, kind in META.items():
            value = self.meta.get(name)
            if value is None and self.format < META_SINCE.get(name, 1):
                continue
            if type(value) is not kind or (isinstance(value, int) and not 0 < value < MAX_NUMBER):
                raise damaged(self.path, f"its meta table has no valid {name}")
        self.fingerprint: str = self.meta["fingerprint"]
        self.model: str = self.meta["model"]
        self.dim: int = self.meta["dim"]
        try:
            self.recipe: Recipe = recipe_of(parse_json(self.meta["recipe"]))
            self.golden = np.frombuffer(self.meta["golden"], "<f4").reshape(-1, self.dim)
        except ValueError as error:
            raise damaged(self.path, f"its meta table is damaged ({error})") from error
        if self.dim > MAX_DIM or not np.isfinite(self.golden).all():
            raise damaged(self.path, "its meta table has no valid dim and golden")
        if self.recipe.fingerprint != self.fingerprint:
            raise damaged(self.path, "its fingerprint does not match its recipe")

    def _segments(self, where: str, *values: int) -> Iterator[Segment]:
        query = f"SELECT id, rows, bytes, sha256 FROM segments {where}"
        for found in self._select((integers, integers, integers, texts), query, *values):
            segment = Segment(*found)
            if not 0 < segment.rows < segment.bytes:
                raise damaged(self.path, f"segment {segment.id} cannot have {segment.rows} rows")
            yield segment

    def _select(self, checks: tuple[Check, ...], query: str, *values: Any) -> Iterator[Any]:
        """Yield the rows of a query. checks: one for each column; raises IndexDamaged if it
        fails."""
        with self._sqlite_errors():
            found = self._db.execute(query, values)
            while rows := found.fetchmany(ROWS_CHECKED):
                for check, column in zip(checks, zip(*rows, strict=True), strict=True):
                    if not check(column):
                        what = f"expected {check.__name__}, received one of {str(column[:5])[:300]}"
                        raise damaged(self.path, f"catalog.sqlite: {what}")
                yield from rows

    def _check_format(self) -> None:
        application = self._db.execute("PRAGMA application_id").fetchone()[0]
        version = self.format = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if application != APPLICATION_ID:
            raise NotAnIndex(
                f"{self.path / 'catalog.sqlite'} is a SQLite file, but not an embedtool index. "
                "Choose another folder"
            )
        if version > FORMAT:
            raise IndexTooNew(
                f"{self.path} has index format {version}; this embedtool reads up to {FORMAT}. "
                "Install a newer embedtool"
            )
        if version not in SCHEMA:
            raise damaged(self.path, f"catalog.sqlite has the format {version}, which never was")

    @contextmanager
    def _sqlite_errors(self) -> Iterator[None]:
        """Convert SQLite errors to embedtool errors."""
        try:
            yield
        except sqlite3.ProgrammingError:  # such as a closed connection: the file is not at fault
            raise
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            # An error without a code comes from Python: a text or the schema is not UTF-8.
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
            primary = code & 0xFF  # an extended code adds higher bits
            if primary == sqlite3.SQLITE_INTERRUPT:
                raise KeyboardInterrupt from error
            if primary in BUSY_CODES:
                raise IndexLocked(
                    f"index {self.path} is in use by another process: {error}. Run the same "
                    "command again later"
                ) from error
            if primary in DAMAGE_CODES:
                raise damaged(self.path, f"catalog.sqlite: {error}") from error
            raise EmbedtoolError(
                f"cannot use {self.path / 'catalog.sqlite'}: {error}. Check the disk and the "
                "permissions of the folder"
            ) from error
