"""A folder of links to photos, or of copies, for each group of them."""

import os
import shutil
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from embedtool.core.types import PathLike
from embedtool.duplicates.results import Duplicates
from embedtool.errors import UsageError
from embedtool.explore.results import ClusterReport

Group = tuple[str, list[tuple[str, Path]]]  # a folder's name; names in it, and what they are of


def gather_duplicates(
    duplicates: Duplicates, folder: PathLike, *, copy: bool = False
) -> list[Path]:
    """Make a folder for each group, of links to its images, or with copy of copies.

    folder/<kind>-0001/01 keep NAME is the kept one, the others follow by similarity. Returns the
    groups' folders. Raises UsageError where folder exists and is not empty.
    """
    return _gather(_duplicates(duplicates), folder, copy)


def gather_clusters(report: ClusterReport, folder: PathLike, *, copy: bool = False) -> list[Path]:
    """The same for each cluster, folder/001 NAME, the strongest members first, and folder/noise."""
    return _gather(_clusters(report), folder, copy)


def _duplicates(duplicates: Duplicates) -> Iterator[Group]:
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


def _clusters(report: ClusterReport) -> Iterator[Group]:
    names = {c.id: f"{c.id + 1:03} {c.name.replace(os.sep, '-')}" for c in report.clusters}
    for id in [*names, -1]:
        inside = sorted((m for m in report.members if m.cluster == id), key=lambda m: -m.strength)
        if inside:
            yield (
                names.get(id, "noise"),
                [(f"{number:05} {m.path.name}", m.path) for number, m in enumerate(inside, 1)],
            )


def _gather(groups: Iterable[Group], folder: PathLike, copy: bool) -> list[Path]:
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
