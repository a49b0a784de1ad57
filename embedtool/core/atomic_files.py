"""Atomic writes: files and folders appear under their name complete and on disk, or not at all."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

from embedtool.core.drafts import hidden_sibling, locked, new_draft, remove_dead_drafts


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary file. If the block ends without an error, it is on disk under `path`.

    Until then it is a draft. A killed process leaves it behind, and the next to write this path
    removes it."""
    _check_place(path)
    with new_draft(path, _create) as draft:
        try:
            with open(draft, "r+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    sync_folder(path.parent)
    remove_dead_drafts(path)


def write_json(path: Path, content: Any) -> None:
    """Write an object as indented JSON to `path`, atomically."""
    with atomic_write(path) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode())


def check_writable(path: Path) -> None:
    """Raise the OSError that `atomic_write` would raise, before long work starts."""
    _check_place(path)
    with new_draft(path, _create) as draft:
        draft.unlink()


def _create(draft: Path) -> None:
    open(draft, "xb").close()  # no other process has its name, and no link is followed


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(
            errno.EISDIR, "expected a file name, but this is a folder", str(path)
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "this folder does not exist", str(path.parent))


@contextmanager
def publish_folder(
    target: Path, *, existing: Literal["keep", "replace", "refuse"] = "keep"
) -> Iterator[Path]:
    """Yield an empty folder. If the block ends without an error, it is on disk as `target`.

    existing: what happens if `target` exists by then. "keep": it stays and the new folder is
    deleted, because both have the same content. "replace": it is removed; if the process is killed
    between the two renames, both folders are left beside it under hidden names, until the next
    complete folder is there. "refuse": FileExistsError is raised and the new folder is deleted.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    # mkdtemp gives access to its owner only, whatever the umask.
    with new_draft(target, Path.mkdir) as draft:
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
                _exchange(draft, target)
            elif existing == "refuse":
                raise FileExistsError(errno.EEXIST, "this path already exists", str(target))
            sync_folder(target.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    remove_dead_drafts(target)


def _exchange(draft: Path, target: Path) -> None:
    """Rename a draft to the place of a folder, and remove that folder."""
    old = hidden_sibling(target)
    with locked(target):
        target.rename(old)
        try:
            draft.rename(target)
        except BaseException:
            old.rename(target)
            raise
        if old.is_symlink():
            old.unlink()
        else:
            shutil.rmtree(old)


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
