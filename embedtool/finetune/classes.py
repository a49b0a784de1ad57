"""Which class each photo of a folder has: from its folder's name, or from a table."""

import os
from collections.abc import Sequence
from pathlib import Path

from embedtool.errors import UsageError
from embedtool.labelling import labels_of
from embedtool.labels import folder_label
from embedtool.sources import Listing, list_photos, require_images
from embedtool.types import PathLike, Source, several


def labelled_photos(
    names: PathLike | Sequence[PathLike] | None, table: PathLike | None, notes: list[str]
) -> list[tuple[Source, str]]:
    """Every photo that has a class, in the order of the listing.

    table: CSV or Parquet with the columns path and label; paths are absolute, or relative to its
    folder or to one of the photo folders. Raises PhotosMissing, and UsageError where it names none
    of the photos.
    """
    if names is None:
        return []
    listing = list_photos(several(names))
    require_images(listing)
    if table is None:
        return [(f, os.fsdecode(folder_label(f.root, f.path))) for f in listing.files]
    labels = _by_path(listing, table, notes)
    paths = [os.path.join(f.root, f.path) for f in listing.files]
    found = [
        (f, labels[path]) for f, path in zip(listing.files, paths, strict=True) if path in labels
    ]
    if len(found) < len(paths):
        notes.append(f"{len(paths) - len(found)} of {len(paths)} photos have no label")
    return found


def _by_path(listing: Listing, table: PathLike, notes: list[str]) -> dict[bytes, str]:
    known = {os.path.join(file.root, file.path) for file in listing.files}
    above = [
        os.path.dirname(os.path.abspath(os.fsencode(table))),
        *dict.fromkeys(file.root for file in listing.files),
    ]
    found, unmatched = labels_of(known, Path(table), above)
    given: dict[bytes, set[str]] = {}
    for path, label in found:
        given.setdefault(path, set()).add(label)
    if not given:
        raise UsageError(
            f"expected paths of the photos in {os.fspath(table)}, none of its {len(unmatched)} "
            f"matches one{f', the first {unmatched[0]!r}' if unmatched else ''}: paths are "
            "absolute, or relative to the table or to a photo folder"
        )
    if unmatched:
        notes.append(
            f"{len(unmatched)} paths of {os.fspath(table)} are none of the photos, the first "
            f"{unmatched[0]!r}"
        )
    labels = {path: next(iter(own)) for path, own in given.items() if len(own) == 1}
    if len(labels) < len(given):
        notes.append(f"{len(given) - len(labels)} photos have several labels: left out")
    return labels
