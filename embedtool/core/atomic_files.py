"""Atomic writes: files and folders appear under their name complete and on disk, or not at all."""

import errno
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

DRAFT = re.compile(r"\..{1,16}-[0-9a-f]{32}", re.DOTALL)  # a name of `_hidden_sibling`


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary file. If the block ends without an error, it is on disk under `path`.

    Until then it has a hidden random name beside `path`, which a killed process leaves behind."""
    draft, file = _create_draft(path)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_json(path: Path, content: Any) -> None:
    """Write an object as indented JSON to `path`, atomically."""
    with atomic_write(path) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode())


def check_writable(path: Path) -> None:
    """Raise the OSError that `atomic_write` would raise, before long work starts."""
    draft, file = _create_draft(path)
    file.close()
    draft.unlink()


def _create_draft(path: Path) -> tuple[Path, BinaryIO]:
    """Create a file beside `path`. No other process has its name, and no link is followed."""
    if path.is_dir():
        raise IsADirectoryError(
            errno.EISDIR, "expected a file name, but this is a folder", str(path)
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "this folder does not exist", str(path.parent))
    draft = _hidden_sibling(path)
    return draft, open(draft, "xb")


@contextmanager
def publish_folder(
    target: Path, *, existing: Literal["keep", "replace", "refuse"] = "keep"
) -> Iterator[Path]:
    """Yield an empty folder. If the block ends without an error, it is on disk as `target`.

    existing: what happens if `target` exists by then. "keep": it stays and the new folder is
    deleted, because both have the same content. "replace": it is removed; if the process is killed
    between the two renames, both folders are left beside it under hidden names. "refuse":
    FileExistsError is raised and the new folder is deleted.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = _hidden_sibling(target)
    draft.mkdir()  # not mkdtemp, which gives access to its owner only, whatever the umask
    try:
        yield draft
        for path in [*draft.rglob("*"), draft]:
            if path.is_dir():
                sync_folder(path)
            else:
                with open(path, "rb") as opened:
                    os.fsync(opened.fileno())
        if not os.path.lexists(target):
            draft.rename(target)
        elif existing == "replace":
            old = _hidden_sibling(target)
            target.rename(old)
            try:
                draft.rename(target)
            except BaseException:
                old.rename(target)
                raise
            shutil.rmtree(old)
        elif existing == "refuse":
            raise FileExistsError(errno.EEXIST, "this path already exists", str(target))
        sync_folder(target.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _hidden_sibling(target: Path) -> Path:
    return target.parent / f".{target.name[:16]}-{uuid.uuid4().hex}"


def sync_folder(path: Path) -> None:
    if os.name == "posix":  # Windows has no handle on a folder; its renames are journalled
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class HashingWriter:
    """A file that records the SHA-256 and the size of what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, content: bytes | memoryview) -> None:
        self.file.write(content)
        self.digest.update(content)
        self.size += len(content)
