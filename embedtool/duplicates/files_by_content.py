"""Group the files of an index by content, with the best file to keep first."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from embedtool.core.paths import full_path
from embedtool.core.types import PathLike, Source
from embedtool.duplicates.companions import SIDECARS, Companions
from embedtool.errors import UsageError
from embedtool.store.layout import Row, without_images
from embedtool.store.reader import IndexReader


@dataclass(frozen=True)
class File:
    """One image file: its row in the catalogue and its state on disk."""

    row: Row
    path: Path
    in_reference: bool  # is in the reference folder
    exists: bool
    linked: bool  # reached by a symbolic link
    root_number: int = 0  # 0 for the root that was indexed first
    original: Path | None = None  # what a phone's edit was made from
    paired: Path | None = None  # the RAW file of a photo, or the photo of a RAW file
    link: Path | None = None  # a link in the index that points to this file

    @property
    def source(self) -> Source:
        return Source(self.row.root, self.row.path, self.row.size, self.row.mtime_ns)


@dataclass
class Content:
    """One distinct content and its files, the best first."""

    vector: int
    files: list[File]

    @property
    def best(self) -> File:
        return self.files[0]


def read_contents(
    index: IndexReader, reference: PathLike | None, order: Callable[[File], Any]
) -> tuple[list[Content], list[str]]:
    """Return every content in the order of its vector, and notes on files that were left out or
    are gone. Files that changed since they were indexed are left out. The files of a content come
    in the given order.

    Raises UsageError if no image is in the index, or none in the reference folder.
    """
    folder = None
    if reference is not None:
        folder = os.path.join(os.path.abspath(os.fsencode(reference)), b"")
    items, changed, missing, linked_names, referenced, sidecars = [], 0, 0, 0, 0, 0
    images = index.images_of(index.places_after(0)["id"].tolist())
    roots = {root: number for number, root in enumerate(index.roots())}
    companions = Companions()
    names: dict[tuple[int, int], int] = {}  # the vector of each file on disk
    for vector in sorted(images):
        files: dict[object, File] = {}
        for row in images[vector]:
            full = os.path.join(row.root, row.path)
            in_reference = folder is not None and full.startswith(folder)
            referenced += in_reference
            path = full_path(row.root, row.path)
            if path.suffix.lower() in SIDECARS:
                sidecars += 1
                continue
            file = File(
                row,
                path,
                in_reference,
                exists=True,
                linked=os.path.realpath(full) != full,
                root_number=roots[row.root],
                original=companions.original_of(path),
                paired=next(iter(companions.pair_of(path)), None),
            )
            try:
                status = os.stat(full)
            except OSError:
                missing += 1
                files[full] = replace(file, exists=False)
                continue
            if (status.st_size, status.st_mtime_ns) != (row.size, row.mtime_ns):
                changed += 1
                continue
            same = (status.st_dev, status.st_ino)
            if names.setdefault(same, vector) != vector:
                linked_names += 1
            elif same in files:
                linked_names += 1
                files[same] = _one_file(files[same], file, order)
            else:
                files[same] = file
        if files:
            items.append(Content(vector, sorted(files.values(), key=order)))
    if not images:
        raise without_images(index.path)
    if reference is not None and not referenced:
        raise UsageError(
            f"expected a folder with images of {index.path}, but {os.fspath(reference)!r} has "
            f"none of them. Index it too: embedtool index {os.fspath(reference)} "
            f"--index {index.path}"
        )
    notes = []
    if changed:
        notes.append(
            f"{changed} files were left out, because they have changed since they were indexed: "
            "index them again"
        )
    if missing:
        notes.append(f"{missing} files are gone: only their vectors were compared")
    if linked_names:
        notes.append(
            f"{linked_names} names are links to other files of the index and were left out"
        )
    if sidecars:
        notes.append(f"{sidecars} thumbnails of other files (.thm) were left out")
    return items, notes


def _one_file(one: File, other: File, order: Callable[[File], Any]) -> File:
    """Return the better of two names of a file, with a link to it if one of the names is a link."""
    best, rest = sorted((one, other), key=order)
    link = best.link or rest.link or (rest.path if rest.path.is_symlink() else None)
    return replace(best, link=link)
