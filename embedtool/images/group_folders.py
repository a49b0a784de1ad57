"""Write a folder for each group, with links to its photos or copies of them."""

import os
import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path

from embedtool.core.types import PathLike
from embedtool.errors import ImageRejected, UsageError
from embedtool.images.read_file import read_source, source_of

Group = tuple[str, list[tuple[str, Path]]]  # folder name; (name in the folder, photo) of each


def write_group_folders(groups: Iterable[Group], folder: PathLike, *, copy: bool) -> list[Path]:
    """Create a folder in `folder` for each group, with links to its photos, or with copies.

    Returns the new folders. Warns if photos are gone or cannot be copied. Raises UsageError if
    `folder` exists and is not an empty folder.
    """
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"expected a new or empty folder, received {target}. Choose another one")
    made, gone, unread = [], 0, []
    for name, files in groups:
        place = target / name
        place.mkdir(parents=True)
        for inside, path in files:
            if not path.is_file():  # the file is gone, the index still has its vector
                gone += 1
            elif copy:
                try:
                    _, data = read_source(source_of(path))
                except ImageRejected as reject:
                    unread.append(f"{path}: {reject}")
                    continue
                (place / inside).write_bytes(data)
                shutil.copystat(path, place / inside)
            else:
                _link(path, place / inside)
        made.append(place)
    if gone:
        warnings.warn(
            f"{gone:,} photos are no longer at their indexed paths, so {target} lacks them. Update "
            "the index: embedtool index PHOTOS",
            stacklevel=3,
        )
    if unread:
        warnings.warn(
            f"{len(unread):,} photos cannot be copied; the first is {unread[0]}", stacklevel=3
        )
    return made


def _link(path: Path, name: Path) -> None:
    try:
        name.symlink_to(os.path.abspath(path))
    except OSError:  # Windows allows symbolic links to administrators only
        os.link(path, name)
