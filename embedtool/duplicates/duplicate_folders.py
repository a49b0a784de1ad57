"""Write a folder of images for each group of duplicates."""

from collections.abc import Iterator
from pathlib import Path

from embedtool.core.types import PathLike
from embedtool.duplicates.results import Duplicates
from embedtool.images.group_folders import Group, write_group_folders


def write_duplicate_folders(
    duplicates: Duplicates, folder: PathLike, *, copy: bool = False
) -> list[Path]:
    """Create a folder for each group, with links to its images, or copies if `copy` is true.

    folder/<kind>-0001/01 keep NAME is the image to keep; the others follow by similarity. Returns
    the folders of the groups. Raises UsageError if folder exists and is not an empty folder.
    """
    return write_group_folders(_groups(duplicates), folder, copy=copy)


def _groups(duplicates: Duplicates) -> Iterator[Group]:
    counts: dict[str, int] = {}
    for group in duplicates.groups:
        counts[group.kind] = counts.get(group.kind, 0) + 1
        yield (
            f"{group.kind}-{counts[group.kind]:04}",
            [
                (f"{number:02} {'keep ' if path == group.keep else ''}{path.name}", path)
                for number, path in enumerate(group.paths, 1)
            ],
        )
