"""The SQLite file of an index: its schema, and connections that trust nothing that it contains.

A stranger may have made the file. Of its schema, only what `SCHEMA` creates is accepted: no view,
trigger, virtual table or generated column can run when the catalogue is read or written.
"""

import sqlite3
import sys
from contextlib import closing
from functools import cache
from pathlib import Path

LOCK_WAIT = 60.0  # seconds a commit waits for readers that are in the middle of a read
SCHEMA = {  # format -> the statements that lead to it from the format before
    1: """
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL);
CREATE TABLE roots (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE);
CREATE TABLE segments (id INTEGER PRIMARY KEY, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL);
CREATE TABLE vectors (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE,
    segment INTEGER NOT NULL REFERENCES segments, row INTEGER NOT NULL);
CREATE TABLE images (id INTEGER PRIMARY KEY, root INTEGER NOT NULL REFERENCES roots,
    path BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    vector INTEGER NOT NULL REFERENCES vectors, UNIQUE (root, path));
CREATE INDEX images_by_vector ON images (vector);
CREATE TABLE rejects (root INTEGER NOT NULL REFERENCES roots, path BLOB NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, stage TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (root, path));
""",
    2: """
ALTER TABLE vectors ADD COLUMN crc INTEGER;
CREATE INDEX vectors_by_place ON vectors (segment, row);
""",
}
FORMAT = max(SCHEMA)  # older ones can be read too; a writer upgrades them
# https://sqlite.org/security.html, "Untrusted SQLite Database Files". None reads the schema.
PRAGMAS = """
PRAGMA trusted_schema = OFF;
PRAGMA cell_size_check = ON;
PRAGMA mmap_size = 0;
PRAGMA ignore_check_constraints = ON;
PRAGMA foreign_keys = ON;
"""
# A commit also syncs the folder after it deletes the journal. Otherwise, a power cut could bring
# the journal back, which would undo the commit; but by then, compaction may have deleted the old
# files.
DURABLE = "PRAGMA synchronous = EXTRA"
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 1 << 28,  # a text or blob: the training images, a list of ids
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 10_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 20,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 3,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 25_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 8,
    sqlite3.SQLITE_LIMIT_ATTACHED: 1,  # VACUUM needs one
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 10,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
}
INTERRUPTIBLE = 100_000  # steps of SQLite, some milliseconds, after which Python can stop it
TEXTS = "SELECT type, name, sql, rootpage > 0 FROM sqlite_master"
OBJECTS = "SELECT type, name, tbl_name, rootpage > 0 FROM sqlite_master"  # a virtual table has 0
COLUMNS = (
    'SELECT m.name, x.cid, x.name, x.type, x."notnull", x.dflt_value, x.pk, x.hidden '
    "FROM sqlite_master m JOIN pragma_table_xinfo(m.name) x WHERE m.type = 'table'"
)
INDEXES = (
    'SELECT m.name, l.name, l."unique", l.partial, x.seqno, x.cid, x."desc", x.coll, x."key" '
    "FROM sqlite_master m JOIN pragma_index_list(m.name) l JOIN pragma_index_xinfo(l.name) x "
    "WHERE m.type = 'table'"
)


def connect(file: Path) -> sqlite3.Connection:
    """Connect to a catalogue. Check its schema before anything else is read from it.

    If a signal handler raises while SQLite works, the statement fails with SQLITE_INTERRUPT."""
    db = sqlite3.connect(
        file.absolute().as_uri() + "?mode=rw",
        uri=True,
        isolation_level=None,
        timeout=LOCK_WAIT,
        check_same_thread=False,
    )
    try:
        for limit, value in LIMITS.items():
            db.setlimit(limit, value)
        if sys.version_info >= (3, 12):
            db.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
            db.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_VIEW, False)
            db.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, False)
        db.set_progress_handler(_let_python_run, INTERRUPTIBLE)
        db.executescript(PRAGMAS)
    except BaseException:
        db.close()
        raise
    return db


def new_database(application_id: int, meta: dict[str, object]) -> bytes:
    """Return the content of a new catalogue with these rows in its table `meta`."""
    with closing(_in_memory(FORMAT)) as db:
        db.execute(f"PRAGMA application_id = {application_id}")
        db.execute(f"PRAGMA user_version = {FORMAT}")
        with db:
            db.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", meta.items())
        return db.serialize()


def foreign_schema(db: sqlite3.Connection, version: int) -> str:
    """Return what in a database is not of the schema of a format, as text; "" if nothing is."""
    if db.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return "it is in WAL mode"
    if _answers(db, TEXTS) == _expected(version, TEXTS):
        return ""
    # Another SQLite may have written the same schema as another text. Views and virtual tables are
    # found by the first query, which runs nothing of theirs.
    for query in (OBJECTS, COLUMNS, INDEXES):
        found, expected = _answers(db, query), _expected(version, query)
        if found != expected:
            named = next((row[:3] for row in found if row not in expected), expected[-1][:3])
            return f"its schema is not that of format {version} (at {named!r})"
    return ""


def _answers(db: sqlite3.Connection, query: str) -> list[tuple[str | int | None, ...]]:
    return sorted(db.execute(query), key=repr)


@cache
def _expected(version: int, query: str) -> list[tuple[str | int | None, ...]]:
    with closing(_in_memory(version)) as db:
        return _answers(db, query)


def _in_memory(version: int) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.executescript("".join(SCHEMA[step] for step in range(1, version + 1)))
    return db


def _let_python_run() -> int:
    return 0
