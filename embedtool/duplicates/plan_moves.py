"""Plan which photos move away together, and where to."""

import os
from collections.abc import Sequence
from pathlib import Path

from embedtool.duplicates.check_move import Redundant
from embedtool.duplicates.companions import Companions
from embedtool.duplicates.results import DuplicateGroup, Duplicates
from embedtool.errors import UsageError

Move = tuple[Path, Path]  # from, to


def photos_to_move(
    duplicates: Duplicates, companions: Companions, *, near: bool, edited: bool
) -> tuple[list[list[Redundant]], list[str]]:
    """Return the photos that move, each with those that move with it or not at all, and why others
    stay. A RAW file and its JPEG are such a pair."""
    kinds = ["identical", *(["near-identical"] if near else []), *(["edited"] if edited else [])]
    moving = {
        one.photo: one
        for group in duplicates.groups
        if group.kind in kinds
        for one in _redundant(group)
    }
    pairs = {photo: companions.pair_of(photo) for photo in moving}
    left = []
    while staying := [(p, other) for p in moving for other in pairs[p] if other not in moving]:
        for photo, other in staying:
            if moving.pop(photo, None):
                left.append(f"{photo} was not moved: {other}, which belongs to it, stays")
    units: dict[frozenset[Path], list[Redundant]] = {}
    for photo in reversed(moving):  # a pair moves when the last of it can
        units.setdefault(frozenset([photo, *pairs[photo]]), []).append(moving[photo])
    return list(units.values())[::-1], left


def _redundant(group: DuplicateGroup) -> list[Redundant]:
    photos = group.paths[1:] if group.kind == "edited" else group.redundant
    digests = dict(zip(group.paths, group.sha256, strict=True))
    return [
        Redundant(group.kind, photo, group.keep, digests[photo], digests[group.keep])
        for photo in photos
    ]


def check_target(duplicates: Duplicates, folder: Path) -> None:
    """Raise UsageError if a folder is inside the indexed photos: the next run of `index` would find
    the moved photos there."""
    for root in duplicates.roots:
        if folder == root or root in folder.parents:
            raise UsageError(
                f"expected a folder outside the indexed photos, but {folder} is inside {root}. "
                "Choose another folder"
            )


class Places:
    """Where files of these roots are moved to: folder / their path below their root.

    If there are several roots, each has its own folder, named after it.
    """

    def __init__(self, folder: Path, roots: Sequence[Path]) -> None:
        self.folder = folder
        self.roots = roots
        self.taken: set[Path] = set()

    def moves(self, files: Sequence[Path]) -> list[Move]:
        """Return the moves of a photo and of files named after it, to names that are free."""
        photo = files[0]
        root = max(r for r in self.roots if r in photo.parents)  # the innermost
        base = root.parent if len(self.roots) > 1 else root
        place = self.folder / photo.relative_to(base)
        return list(zip(files, free_names(files, place, self.taken), strict=True))


def free_names(files: Sequence[Path], place: Path, taken: set[Path]) -> list[Path]:
    """Return names that are free on disk and in `taken`, and add them there: place for the first of
    these files, which are named after it, else NAME (2) for all of them, and so on."""
    own, stem, number = files[0].stem, place.stem, 1
    while True:
        names = [place.with_name(stem + file.name[len(own) :]) for file in files]
        if not any(name in taken or os.path.lexists(name) for name in names):
            taken.update(names)
            return names
        number += 1
        stem = f"{place.stem} ({number})"
