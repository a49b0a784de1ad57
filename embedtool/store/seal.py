"""The catalogue's seal: SQLite does not notice a flipped bit in a path or a number, the seal does.

<index>/catalog.sha256 holds the change counter of catalog.sqlite and the SHA-256 of all its pages
at that count. A writer seals as it closes. A killed writer leaves a seal of an earlier count, which
says nothing about the present one; the next writer seals again.
"""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from embedtool.core.atomic_files import atomic_write
from embedtool.store.layout import connect, damaged

COUNTER = slice(24, 28)  # of the first page: SQLite raises it with every change of the file
COOKIE = slice(40, 44)  # of the first page: counts changes of the schema, and a copy starts anew


def write_seal(index: Path) -> None:
    """Seal the catalogue as it lies on disk: of a page that was changed and then freed, SQLite
    writes nothing, and the connection that did so still has it."""
    with closing(connect(index / "catalog.sqlite")) as db:
        counter, digest = _state(db)
    with atomic_write(_file(index)) as file:
        file.write(json.dumps({"change_counter": counter, "sha256": digest}).encode())


def check_seal(index: Path, db: sqlite3.Connection) -> bool:
    """Whether the catalogue is sealed as it stands; False where its seal is of another count.

    Raises IndexDamaged where it is not what was sealed at this one.
    """
    sealed = _read(index)
    if sealed is None:
        return False
    counter, digest = _state(db)
    if counter == sealed[0] and digest != sealed[1]:
        raise damaged(
            index, "catalog.sqlite is not what was committed (it differs from catalog.sha256)"
        )
    return counter == sealed[0]


def _file(index: Path) -> Path:
    return index / "catalog.sha256"


def _read(index: Path) -> tuple[int, str] | None:
    """(change counter, SHA-256) as sealed; None where there is no seal that can be read."""
    try:
        seal = json.loads(_file(index).read_bytes())
        return int(seal["change_counter"]), str(seal["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _state(db: sqlite3.Connection) -> tuple[int, str]:
    """The change counter and the SHA-256 of the catalogue's pages."""
    # Through SQLite, never through a second file handle: closing one would drop, on POSIX, the
    # locks that this process holds on the catalogue. And through a copy: `serialize` of a file
    # gives zeros for a page that cannot be read, without a word.
    with closing(sqlite3.connect(":memory:")) as copy:
        db.execute("BEGIN")
        try:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # waits here, not in backup
            db.backup(copy)
        finally:
            if db.in_transaction:  # after an I/O error SQLite ends it by itself
                db.execute("ROLLBACK")
        pages = memoryview(copy.serialize())
    digest = hashlib.sha256(pages[: COOKIE.start])
    digest.update(pages[COOKIE.stop :])
    return int.from_bytes(pages[COUNTER], "big"), digest.hexdigest()
