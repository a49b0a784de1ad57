"""The code of a SQLite error decides what it is, whatever its text says."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.indexes import fill

from embedtool.errors import EmbedtoolError, IndexDamaged, IndexLocked
from embedtool.store import database
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer


def corrupt_page(file: Path) -> None:
    """Overwrite the page that holds the first rows of `images`."""
    data = bytearray(file.read_bytes())
    page = data.index(b"000001") // 4096 * 4096
    data[page : page + 4096] = b"\xff" * 4096
    file.write_bytes(data)
    file.with_name("catalog.sha256").unlink()  # as a killed writer leaves it: no seal of this state


def test_a_locked_catalogue_is_locked(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_WAIT", 0.01)
    with closing(sqlite3.connect(index / "catalog.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(IndexLocked, match="in use by another process"):
            IndexReader(index)
        other.execute("ROLLBACK")
    IndexReader(index).close()


def test_a_corrupt_page_is_damage(index: Path) -> None:
    fill(index, 3)
    corrupt_page(index / "catalog.sqlite")
    with pytest.raises(IndexDamaged), IndexReader(index) as opened:
        list(opened.rows())


def test_a_file_that_is_no_database_is_damage(index: Path) -> None:
    (index / "catalog.sqlite").write_bytes(b"not SQLite at all" * 100)
    with pytest.raises(IndexDamaged, match=r"catalog\.sqlite"):
        IndexReader(index)


def test_a_text_that_is_not_utf8_is_damage(index: Path) -> None:
    file = index / "catalog.sqlite"
    file.write_bytes(file.read_bytes().replace(b"created_by", b"created\xff\xffy"))
    (index / "catalog.sha256").unlink()
    with pytest.raises(IndexDamaged, match="UTF-8"):
        IndexReader(index)


def test_a_connection_used_wrongly_is_no_damage(index: Path) -> None:
    with IndexReader(index) as opened, opened.snapshot():
        with pytest.raises(EmbedtoolError, match="cannot use") as caught, opened._sqlite_errors():
            opened._db.execute("BEGIN")
        assert type(caught.value) is EmbedtoolError


def test_a_catalogue_that_cannot_be_written_is_neither(index: Path) -> None:
    with Writer(index) as writer:
        writer._db.execute("PRAGMA query_only = ON")
        with pytest.raises(EmbedtoolError, match="cannot use") as caught:
            writer.drop([1], [])
        assert type(caught.value) is EmbedtoolError
        writer._db.execute("PRAGMA query_only = OFF")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_BUSY, IndexLocked),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, IndexLocked),
        (sqlite3.SQLITE_LOCKED_SHAREDCACHE, IndexLocked),
        (sqlite3.SQLITE_CORRUPT_INDEX, IndexDamaged),
        (sqlite3.SQLITE_NOTADB, IndexDamaged),
        (sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY, IndexDamaged),
        (sqlite3.SQLITE_IOERR_READ, EmbedtoolError),
        (sqlite3.SQLITE_FULL, EmbedtoolError),
        (sqlite3.SQLITE_CANTOPEN, EmbedtoolError),
        (sqlite3.SQLITE_READONLY_DBMOVED, EmbedtoolError),
    ],
)
def test_the_code_decides(index: Path, code: int, expected: type[EmbedtoolError]) -> None:
    error = sqlite3.OperationalError("locked, malformed")
    error.sqlite_errorcode = code
    with IndexReader(index) as opened:
        with pytest.raises(EmbedtoolError) as caught, opened._sqlite_errors():
            raise error
        assert type(caught.value) is expected


def test_a_long_statement_can_be_interrupted(index: Path) -> None:
    """As Ctrl-C does: SQLite lets Python run, which raises."""
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT sum(x) FROM n"
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with IndexReader(index) as opened:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(KeyboardInterrupt), opened._sqlite_errors():
                opened._db.execute(endless).fetchone()
            assert opened.counts()["images"] == 0
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_closed_reader_is_no_damage(index: Path) -> None:
    opened = IndexReader(index)
    opened.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened.counts()
