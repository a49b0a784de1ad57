"""Paths: of an image, its label (the name of its folder), and all that is below a folder."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path


def folder_label(root: bytes, path: bytes) -> bytes:
    """Return the name of the folder that contains an image."""
    return os.path.basename(os.path.dirname(os.path.join(root, path)))


def full_path(root: bytes, path: bytes) -> Path:
    return Path(os.fsdecode(os.path.join(root, path)))


def entries_below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield everything below a folder, however deep. Links are not followed.

    Folders without access, or with too long a path, are left out. Raises OSError."""
    pending = [str(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                found = list(entries)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG):
                continue
            raise
        yield from found
        pending += [entry.path for entry in found if entry.is_dir(follow_symlinks=False)]
