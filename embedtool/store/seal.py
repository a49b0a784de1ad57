"""The catalogue's seal: a checksum that reveals flipped bits in paths and numbers.

SQLite does not notice these. <index>/catalog.sha256 holds the change counter of catalog.sqlite and
the SHA-256 of all its pages at that count. A writer writes the seal when it closes. A killed writer
leaves the seal of an earlier count, which is ignored; the next writer writes a new one.
"""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from embedtool.core.atomic_files import atomic_write
from embedtool.core.foreign_files import read_json
from embedtool.store.database import connect
from embedtool.store.layout import damaged

COUNTER = slice(24, 28)  # in the first page: SQLite increments it at every change of the file
COOKIE = slice(40, 44)  # in the first page: counts changes of the schema; a copy starts again


def write_seal(index: Path) -> None:
    """Seal the catalogue as it is on disk, read through a new connection.

    SQLite does not write a page that was changed and then freed, but the connection that changed
    the page still sees the change."""
    with closing(connect(index / "catalog.sqlite")) as db:
        counter, digest = _state(db)
    with atomic_write(_file(index)) as file:
        file.write(json.dumps({"change_counter": counter, "sha256": digest}).encode())


def check_seal(index: Path, db: sqlite3.Connection) -> bool:
    """Return whether the seal fits the catalogue; False if the seal is of another count.

    Raises IndexDamaged if the seal is of the same count and the content differs.
    """
    sealed = _read(index)
    if sealed is None:
        return False
    counter, digest = _state(db)
    if counter == sealed[0] and digest != sealed[1]:
        raise damaged(
            index, "catalog.sqlite has changed since the last commit (catalog.sha256 differs)"
        )
    return counter == sealed[0]


def _file(index: Path) -> Path:
    return index / "catalog.sha256"


def _read(index: Path) -> tuple[int, str] | None:
    """Return the sealed (change counter, SHA-256), or None if there is no readable seal."""
    try:
        seal = read_json(_file(index))
        return int(seal["change_counter"]), str(seal["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _state(db: sqlite3.Connection) -> tuple[int, str]:
    """Return the change counter and the SHA-256 of the catalogue's pages."""
    # Read through SQLite: on POSIX, closing a second file handle would drop the locks that this
    # process holds on the catalogue. Read from a copy: `serialize` of a file silently returns zeros
    # for a page that cannot be read.
    with closing(sqlite3.connect(":memory:")) as copy:
        db.execute("BEGIN")
        try:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # waits here, not in backup
            db.backup(copy)
        finally:
            if db.in_transaction:  # SQLite itself ends it after an I/O error
                db.execute("ROLLBACK")
        pages = memoryview(copy.serialize())
    digest = hashlib.sha256(pages[: COOKIE.start])
    digest.update(pages[COOKIE.stop :])
    return int.from_bytes(pages[COUNTER], "big"), digest.hexdigest()
