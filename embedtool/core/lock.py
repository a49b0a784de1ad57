"""The lock that allows one writer at a time."""

import os
from pathlib import Path

from embedtool.errors import IndexLocked, NotAnIndex

LOCK = "writer.lock"


def acquire_lock(path: Path) -> int:
    """Acquire the writer's lock. The operating system releases it when the process ends."""
    if not path.is_dir():
        raise NotAnIndex(
            f"expected an index folder, found none at {path}. "
            f"Make one: embedtool index PHOTOS --index {path}"
        )
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(path / LOCK, flags, 0o644)
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError as error:
        os.close(handle)
        raise IndexLocked(
            f"another embedtool process is writing to {path}. Wait until it has finished, then run "
            "the same command again"
        ) from error
    return handle
