"""The layout of an index folder: file names and records."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from embedtool.core.foreign_files import names_another_file
from embedtool.core.lock import LOCK
from embedtool.errors import IndexDamaged, UsageError

APPLICATION_ID = 0x656D6264  # "embd": distinguishes the catalogue from other SQLite files
DECODING_RECORD = "decoding"  # see embedtool.images.quarantine
JOURNAL = "catalog.sqlite-journal"
FILES = (
    "catalog.sqlite",
    JOURNAL,
    "catalog.sqlite-wal",
    "catalog.sqlite-shm",
    "catalog.sha256",
    LOCK,
    DECODING_RECORD,
)
FOLDERS = ("vectors", "derived")


class Row(NamedTuple):
    """An image as the catalogue records it."""

    id: int
    root: bytes
    path: bytes
    size: int
    mtime_ns: int
    digest: bytes  # SHA-256 of the file's bytes


class RejectRow(NamedTuple):
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


def check_files(index: Path) -> None:
    """Raise IndexDamaged if a file or folder of an index is a symbolic link or of another kind, or
    if it has a journal that no index has. Call this before SQLite opens the catalogue."""
    folder = os.fspath(index)
    for names, kind, is_kind in ((FILES, "file", stat.S_ISREG), (FOLDERS, "folder", stat.S_ISDIR)):
        for name in names:
            try:
                mode = os.lstat(os.path.join(folder, name)).st_mode
            except FileNotFoundError:
                continue
            if stat.S_ISLNK(mode):
                raise damaged(index, f"{name} is a symbolic link, which is not followed")
            if not is_kind(mode):
                raise damaged(index, f"{name} is not a {kind}")
            if name == JOURNAL and names_another_file(index / name):
                raise damaged(index, f"{name} names another file")


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
