"""Find the class of each photo from the name of its folder or from a table."""

import os
from collections.abc import Sequence

from embedtool.classification.labels import match_table
from embedtool.core.paths import folder_label
from embedtool.core.types import PathLike, Source, as_list
from embedtool.errors import UsageError
from embedtool.images.listing import list_photos, require_images

ROLES = ("training", "validation", "test")  # of the sets, in order
Set = list[tuple[Source, str]]


def labelled_photos(
    sets: Sequence[PathLike | Sequence[PathLike] | None],
    table: PathLike | None,
    notes: list[str],
) -> list[Set]:
    """Return the photos of each set that have a class, in the order of the listing.

    table: CSV or Parquet with the columns path and label. Paths are absolute, or relative to its
    folder or to a photo folder of any set. If it has no photo of the validation or test set, the
    classes of this set are the names of folders. Raises PhotosMissing, and UsageError if the table
    has no training photo, or if a path matches several photos.
    """
    listed = [_listed(names) for names in sets]
    if table is None:
        return [[(file, _folder(file)) for file in files] for files in listed]
    given = _by_path([file for files in listed for file in files], table, notes)
    found: list[Set] = []
    for role, files in zip(ROLES, listed, strict=True):
        named = [(file, given[_path(file)]) for file in files if _path(file) in given]
        if files and not named:
            if role == ROLES[0]:
                raise UsageError(
                    f"expected paths of training photos in {os.fspath(table)}, received "
                    f"none{''.join(f'; {note}' for note in notes)}. Paths are absolute, or "
                    "relative to the table or to a photo folder"
                )
            notes.append(
                f"{os.fspath(table)} has no {role} photos: the names of their folders are their "
                "classes"
            )
            named = [(file, {_folder(file)}) for file in files]
        found.append([(file, next(iter(own))) for file, own in named if len(own) == 1])
        if len(named) < len(files):
            notes.append(f"{len(files) - len(named)} of {len(files)} {role} photos have no label")
        if len(found[-1]) < len(named):
            notes.append(
                f"{len(named) - len(found[-1])} {role} photos have several labels and were left out"
            )
    return found


def _listed(names: PathLike | Sequence[PathLike] | None) -> list[Source]:
    if names is None:
        return []
    listing = list_photos(as_list(names))
    require_images(listing)
    return listing.files


def _by_path(files: list[Source], table: PathLike, notes: list[str]) -> dict[bytes, set[str]]:
    """Return the labels of each photo in the table."""
    roots = dict.fromkeys(file.root for file in files)
    found, unmatched = match_table({_path(file) for file in files}, table, roots)
    if unmatched:
        notes.append(
            f"{len(unmatched)} paths in {os.fspath(table)} are not among the photos, the first is "
            f"{unmatched[0]!r}"
        )
    given: dict[bytes, set[str]] = {}
    for path, label in found:
        given.setdefault(path, set()).add(label)
    return given


def _path(file: Source) -> bytes:
    return os.path.join(file.root, file.path)


def _folder(file: Source) -> str:
    return os.fsdecode(folder_label(file.root, file.path))
