"""Drafts: incomplete files and folders, under hidden random names beside the place they are for.

A killed process leaves its drafts behind. The process that makes a draft holds a lock on it, which
ends with the process. So another one can tell which drafts are nobody's, and remove them.
"""

import glob
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DRAFT = re.compile(r"\..{1,16}-[0-9a-f]{32}", re.DOTALL)  # a name of `hidden_sibling`


def hidden_sibling(target: Path) -> Path:
    """Return a random name beside a path."""
    return target.parent / f".{target.name[:16]}-{uuid.uuid4().hex}"


@contextmanager
def new_draft(target: Path, create: Callable[[Path], object]) -> Iterator[Path]:
    """Create a draft for a path, and lock it until the block ends."""
    while True:
        draft = hidden_sibling(target)
        create(draft)
        with locked(draft):
            if draft.exists():  # else another process removed it before it was locked
                yield draft
                return


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Lock a file or folder. Yield False if it is locked already, is gone, or cannot be: there are
    no locks on some network file systems, and on Windows, which does not remove open files."""
    handle = _lock(path) if os.name == "posix" else None
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def _lock(path: Path) -> int | None:
    import fcntl

    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def remove_dead_drafts(target: Path) -> None:
    """Remove the drafts for a path that no running process has. The drafts of paths whose names
    begin with the same 16 characters look the same, and are removed too."""
    for draft in target.parent.glob(f".{glob.escape(target.name[:16])}-*"):
        if DRAFT.fullmatch(draft.name):
            with suppress(OSError), locked(draft) as unused:
                if unused and draft.is_dir():
                    shutil.rmtree(draft)
                elif unused:
                    draft.unlink()
