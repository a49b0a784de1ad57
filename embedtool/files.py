"""Files that appear under their name whole and on disk, or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def write_whole(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary file; on leaving without an error it is on disk under `path`."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "expected a file name, this is a folder", str(path))
    draft = path.with_name(path.name + ".new")
    try:
        with open(draft, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    if os.name == "posix":  # Windows has no handle on a folder; its renames are journalled
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
