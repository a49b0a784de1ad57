"""Find the files that belong to a photo, by the names that cameras and phones give them."""

import os
import re
from collections.abc import Collection
from functools import cache
from pathlib import Path

from embedtool.images.listing import EXTENSIONS
from embedtool.images.metadata import RAW_EXTENSIONS

SIDECARS = frozenset({".xmp", ".aae", ".thm", ".mov"})  # .mov: the video of a live photo
RAW = frozenset(map(os.fsdecode, RAW_EXTENSIONS))
PICTURES = RAW | frozenset(map(os.fsdecode, EXTENSIONS))
PHONE_EDIT = re.compile(r"IMG_E(\d+)")  # a phone's edit of IMG_1234 is IMG_E1234


class Companions:
    """What lies beside photos. Each folder is listed once."""

    def __init__(self) -> None:
        self._files = cache(_files)

    def pair_of(self, photo: Path) -> list[Path]:
        """Return the RAW files of a photo, or the photos of a RAW file."""
        is_raw = photo.suffix.lower() in RAW
        return [path for path in self._pictures(photo) if (path.suffix.lower() in RAW) != is_raw]

    def original_of(self, photo: Path) -> Path | None:
        """Return the picture beside a phone's edit of it, or None if the photo is no such edit."""
        edit = PHONE_EDIT.fullmatch(photo.stem)
        beside = edit and self._pictures(photo.with_stem(f"IMG_{edit[1]}"))
        return beside[0] if beside else None

    def sidecars_of(self, photo: Path, gone: Collection[Path]) -> list[Path]:
        """Return the sidecars that move with a photo, when the photos `gone` have moved.

        A sidecar that belongs to several photos, such as a RAW file and its JPEG, moves with the
        last one.
        """
        shared = any(path != photo and path not in gone for path in self._pictures(photo))
        stems = [photo.name] if shared else [photo.name, photo.stem]
        files = self._files(photo.parent)
        return [
            photo.with_name(name)
            for stem in stems
            for name in files.get(stem, ())
            if os.path.splitext(name)[1].lower() in SIDECARS
            and not photo.with_name(name).is_symlink()
        ]

    def _pictures(self, photo: Path) -> list[Path]:
        """Return the pictures in the folder of a photo that have its name up to the extension."""
        names = self._files(photo.parent).get(photo.stem, ())
        return [photo.with_name(n) for n in names if os.path.splitext(n)[1].lower() in PICTURES]


def _files(folder: Path) -> dict[str, list[str]]:
    """Return the files of a folder by their names up to the extension."""
    files: dict[str, list[str]] = {}
    try:
        for name in sorted(os.listdir(folder)):
            files.setdefault(os.path.splitext(name)[0], []).append(name)
    except OSError:  # the folder is gone: nothing lies beside the photo
        pass
    return files
