"""Write a folder for each group, with links to its photos or copies of them."""

import os
import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path

from embedtool.core.types import PathLike
from embedtool.errors import ImageRejected, UsageError
from embedtool.images.formats import HEAD, sniff
from embedtool.images.read_file import read_source, source_of

MAX_NAME = 255  # bytes, in most file systems
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
        for name_inside, path in files:
            inside = _short(name_inside)
            if not path.is_file():  # the file is gone, the index still has its vector
                gone += 1
            elif copy:
                try:
                    _, data = read_source(source_of(path))
                    if sniff(data[:HEAD]) is None:  # an index may name any file
                        raise ImageRejected("decode", "not an image in a supported format")
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


def _short(name: str) -> str:
    """Return a name of at most 255 bytes, with the same suffix."""
    encoded, suffix = os.fsencode(name), os.fsencode(Path(name).suffix)
    if len(encoded) <= MAX_NAME:
        return name
    return os.fsdecode(
        encoded[: MAX_NAME - len(suffix)].decode("utf-8", "ignore").encode() + suffix
    )


def _link(path: Path, name: Path) -> None:
    try:
        name.symlink_to(os.path.abspath(path))
    except OSError:  # Windows allows symbolic links to administrators only
        os.link(path, name)
