"""The layout of an index folder: file names, format version, schema, records."""

import os
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from embedtool.errors import IndexDamaged, UsageError

FORMAT = 2  # 1 can be read too; a writer upgrades it, see embedtool.store.upgrade
APPLICATION_ID = 0x656D6264  # "embd": distinguishes the catalogue from other SQLite files
LOCK_WAIT = 60.0  # seconds a commit waits for readers that are in the middle of a read
DECODING_RECORD = "decoding"  # see embedtool.images.quarantine
# Files of an index whose creation was killed, or whose catalogue was deleted.
LEFTOVERS = re.compile(rf"\..*|catalog\..*|vectors|derived|writer\.lock|{DECODING_RECORD}")
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL);
CREATE TABLE roots (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE);
CREATE TABLE segments (id INTEGER PRIMARY KEY, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL);
CREATE TABLE vectors (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE,
    segment INTEGER NOT NULL REFERENCES segments, row INTEGER NOT NULL, crc INTEGER);
CREATE INDEX vectors_by_place ON vectors (segment, row);
CREATE TABLE images (id INTEGER PRIMARY KEY, root INTEGER NOT NULL REFERENCES roots,
    path BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    vector INTEGER NOT NULL REFERENCES vectors, UNIQUE (root, path));
CREATE INDEX images_by_vector ON images (vector);
CREATE TABLE rejects (root INTEGER NOT NULL REFERENCES roots, path BLOB NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, stage TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (root, path));
"""


@dataclass(frozen=True)
class Row:
    """An image as the catalogue records it."""

    id: int
    root: bytes
    path: bytes
    size: int
    mtime_ns: int
    digest: bytes  # SHA-256 of the file's bytes


@dataclass(frozen=True)
class RejectRow:
    """A reject as the catalogue records it."""

    root: bytes
    path: bytes
    size: int
    mtime_ns: int
    stage: str
    reason: str


@dataclass(frozen=True)
class Segment:
    id: int
    rows: int
    bytes: int
    sha256: str


def foreign_files(path: Path) -> list[Path]:
    """Return the files in a folder that do not belong to an index without a catalogue."""
    inside = [*path.glob("*"), *(path / "vectors").glob("*")] if path.exists() else []
    return [file for file in inside if not LEFTOVERS.fullmatch(str(file.relative_to(path)))]


def exists(path: str | os.PathLike[str]) -> bool:
    return (Path(path) / "catalog.sqlite").is_file()


def segment_file(index: Path, number: int) -> Path:
    return index / "vectors" / f"{number:06d}.npy"


def without_images(index: Path) -> UsageError:
    return UsageError(f"{index} holds no images. Add some: embedtool index PHOTOS --index {index}")


def damaged(index: Path, what: str) -> IndexDamaged:
    return IndexDamaged(
        f"index {index} is damaged: {what}. Restore it from a backup, or index the photos again "
        "into a new folder; `embedtool verify` lists all faults"
    )


def connect(file: Path) -> sqlite3.Connection:
    uri = file.absolute().as_uri() + ("?mode=rwc" if file.suffix == ".new" else "?mode=rw")
    db = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=LOCK_WAIT, check_same_thread=False
    )
    try:
        # EXTRA: a commit also syncs the folder after it deletes the journal. Otherwise, a power cut
        # could bring the journal back, which would undo the commit; but by then, compaction may
        # have deleted the old files.
        db.execute("PRAGMA synchronous = EXTRA")
        db.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        db.close()
        raise
    return db
