"""A folder of links to photos, or of copies of them, for each group."""

import os
import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path

from embedtool.core.types import PathLike
from embedtool.errors import UsageError

Group = tuple[str, list[tuple[str, Path]]]  # a folder's name; (name in it, the photo) of each


def write_group_folders(groups: Iterable[Group], folder: PathLike, *, copy: bool) -> list[Path]:
    """Make a folder in `folder` for each group, of links to its photos, or with copy of copies.

    Returns the folders made. Warns of photos that are gone. Raises UsageError if `folder` exists
    and is not an empty folder.
    """
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"expected a new or empty folder, {target} is not")
    made, gone = [], 0
    for name, files in groups:
        place = target / name
        place.mkdir(parents=True)
        for inside, path in files:
            if not path.is_file():  # what is left of it is its vector
                gone += 1
            elif copy:
                shutil.copy2(path, place / inside)
            else:
                _link(path, place / inside)
        made.append(place)
    if gone:
        warnings.warn(
            f"{gone:,} photos are not where they were indexed, so {target} has none of them",
            stacklevel=3,
        )
    return made


def _link(path: Path, name: Path) -> None:
    try:
        name.symlink_to(os.path.abspath(path))
    except OSError:  # Windows gives symbolic links to administrators only
        os.link(path, name)
