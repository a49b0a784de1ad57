"""The catalogue's seal: a checksum that reveals flipped bits in paths and numbers.

SQLite does not notice these. <index>/catalog.sha256 holds the change counter of catalog.sqlite and
the SHA-256 of all its pages at that count. A writer writes the seal when it closes. A killed writer
leaves the seal of an earlier count, which is ignored; the next writer writes a new one.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from embedtool.core.atomic_files import atomic_write
from embedtool.core.foreign_files import read_json
from embedtool.store.database import connect
from embedtool.store.layout import damaged
from embedtool.store.page_trees import are_trees

COUNTER = slice(24, 28)  # in the first page: SQLite increments it at every change of the file
SCHEMA_STEPS = 100_000  # of SQLite, to read a schema; ours takes some hundred
COOKIE = slice(40, 44)  # in the first page: counts changes of the schema; a copy starts again


def write_seal(index: Path) -> None:
    """Seal the catalogue as it is on disk, read through a new connection.

    SQLite does not write a page that was changed and then freed, but the connection that changed
    the page still sees the change."""
    with closing(connect(index / "catalog.sqlite")) as db, _copy(db) as copy:
        counter, digest = _state(memoryview(copy.serialize()))
    with atomic_write(_file(index)) as file:
        file.write(json.dumps({"change_counter": counter, "sha256": digest}).encode())


def check_seal(index: Path, db: sqlite3.Connection) -> bool:
    """Return whether the seal fits the catalogue; False if there is none, or of another count.

    Raises IndexDamaged if the seal is of the same count and the content differs, or if SQLite could
    read the pages without end. Call this before the schema is read.
    """
    sealed = _read(index)
    with _copy(db) as copy:
        roots = _roots(index, copy)  # first: `serialize` reads the schema too
        pages = memoryview(copy.serialize())
    counter, digest = _state(pages)
    if sealed and counter == sealed[0] and digest != sealed[1]:
        raise damaged(
            index, "catalog.sqlite has changed since the last commit (catalog.sha256 differs)"
        )
    if not are_trees(roots, pages):
        raise damaged(index, "catalog.sqlite: a page is referred to twice")
    return sealed is not None and counter == sealed[0]


def _file(index: Path) -> Path:
    return index / "catalog.sha256"


def _read(index: Path) -> tuple[int, str] | None:
    """Return the sealed (change counter, SHA-256), or None if there is no readable seal."""
    try:
        seal = read_json(_file(index))
        return int(seal["change_counter"]), str(seal["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def _copy(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Yield a copy of a database in memory."""
    # Read through SQLite: on POSIX, closing a second file handle would drop the locks that this
    # process holds on the catalogue. Read from a copy: `serialize` of a file silently returns zeros
    # for a page that cannot be read.
    with closing(sqlite3.connect(":memory:")) as copy:
        db.execute("BEGIN")
        try:
            db.execute("PRAGMA application_id").fetchone()  # waits here, not in backup
            db.backup(copy)
        finally:
            if db.in_transaction:  # SQLite itself ends it after an I/O error
                db.execute("ROLLBACK")
        yield copy


def _roots(index: Path, copy: sqlite3.Connection) -> list[int]:
    """Return the first page of the schema, and of each table and index in it.

    Raises IndexDamaged if reading the schema does not end."""
    copy.set_progress_handler(lambda: 1, SCHEMA_STEPS)
    try:
        query = "SELECT rootpage FROM sqlite_master WHERE rootpage > 0"
        return [1, *(root for (root,) in copy.execute(query))]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        raise damaged(index, "catalog.sqlite: its schema does not end") from error


def _state(pages: memoryview) -> tuple[int, str]:
    """Return the change counter and the SHA-256 of the pages of a catalogue."""
    digest = hashlib.sha256(pages[: COOKIE.start])
    digest.update(pages[COOKIE.stop :])
    return int.from_bytes(pages[COUNTER], "big"), digest.hexdigest()
