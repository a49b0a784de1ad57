"""Group the files of an index by content, with the best file to keep first."""

import os
from dataclasses import dataclass
from pathlib import Path

from embedtool.core.paths import full_path
from embedtool.core.types import PathLike, Source
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
    index: IndexReader, reference: PathLike | None
) -> tuple[list[Content], list[str]]:
    """Return every content in the order of its vector, and notes on files that were left out or
    are gone. Files that changed since they were indexed are left out.

    Raises UsageError if no image is in the index, or none in the reference folder.
    """
    folder = None
    if reference is not None:
        folder = os.path.join(os.path.abspath(os.fsencode(reference)), b"")
    items, changed, missing, linked_names, referenced = [], 0, 0, 0, 0
    images = index.images_of(index.places_after(0)["id"].tolist())
    for vector in sorted(images):
        files: dict[object, File] = {}
        for row in images[vector]:
            full = os.path.join(row.root, row.path)
            in_reference = folder is not None and full.startswith(folder)
            referenced += in_reference
            linked = os.path.realpath(full) != full
            try:
                status = os.stat(full)
            except OSError:
                missing += 1
                file = File(row, full_path(row.root, row.path), False, False, linked)
                files[full] = file
                continue
            if (status.st_size, status.st_mtime_ns) != (row.size, row.mtime_ns):
                changed += 1
                continue
            file = File(row, full_path(row.root, row.path), in_reference, True, linked)
            same = (status.st_dev, status.st_ino)
            linked_names += same in files
            files[same] = min(files.get(same, file), file, key=keep_order)
        if files:
            items.append(Content(vector, sorted(files.values(), key=keep_order)))
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
    return items, notes


def keep_order(file: File) -> tuple[object, ...]:
    return (
        not file.in_reference,
        not file.exists,
        file.linked,
        file.row.mtime_ns,
        os.fsencode(file.path),
    )
