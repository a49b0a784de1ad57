"""Check, before a photo is moved away, that both it and the photo that is kept are as indexed."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embedtool.core.paths import entries_below
from embedtool.duplicates.companions import PICTURES, SIDECARS
from embedtool.duplicates.picture_pairs import Pairs, PicturePairs
from embedtool.errors import ImageRejected
from embedtool.images.read_file import read_source, source_of

MOVABLE = PICTURES | SIDECARS  # suffixes; others may be those of a program, in a stranger's log


@dataclass(frozen=True)
class Redundant:
    """A photo to move, and the photo of its group that is kept."""

    kind: str
    photo: Path
    keep: Path
    photo_sha256: str
    keep_sha256: str


def why_not(one: Redundant, links: Mapping[str, Path], roots: Iterable[Path]) -> str | None:
    """Return why a photo must stay where it is, or None. Both files are read.

    links: see `links_by_target`. roots: the indexed folders.
    """
    if not os.path.lexists(one.photo):
        return "it is gone"
    if not one.keep.is_file():
        return f"{one.keep}, which would be kept, is gone"
    if one.photo.is_symlink():
        return "it is a link"
    if one.photo.suffix.lower() not in MOVABLE:
        return "its name does not end like that of a picture"
    if not any(is_inside(one.photo.parent, root) for root in roots if root in one.photo.parents):
        return "a link leads to its folder"
    if os.path.samefile(one.photo, one.keep):
        return f"it is the same file as {one.keep}, which is kept"
    if link := links.get(os.path.realpath(one.photo)):
        return f"the link {link} points to it"
    for path, sha256 in ((one.photo, one.photo_sha256), (one.keep, one.keep_sha256)):
        name = "it" if path == one.photo else f"{path}, which would be kept,"
        try:
            _, data = read_source(source_of(path))
        except ImageRejected as error:
            return f"{name} cannot be read: {error}"
        if hashlib.sha256(data).hexdigest() != sha256:
            return f"{name} has changed since it was indexed. Index it again"
    if one.kind != "identical" and not _same_picture(one):
        return f"its picture is not that of {one.keep}, which would be kept"
    return None


def links_by_target(roots: Iterable[Path]) -> dict[str, Path]:
    """Return a symbolic link below these folders for each file that one leads to."""
    links: dict[str, Path] = {}
    for root in roots:
        for entry in entries_below(root):
            if entry.is_symlink():
                links.setdefault(os.path.realpath(entry.path), Path(entry.path))
    return links


def is_inside(folder: Path, outer: Path) -> bool:
    """Return whether a folder is `outer` or below it, wherever links lead."""
    inner, whole = os.path.realpath(folder), os.path.realpath(outer)
    return inner == whole or inner.startswith(os.path.join(whole, ""))


def _same_picture(one: Redundant) -> bool:
    """Return whether both files, decoded again, show one picture, edited only if it was before."""
    pictures = PicturePairs([source_of(one.photo), source_of(one.keep)], _no_cosines)
    pair = np.array([[0, 1]])
    return bool((pictures.same if one.kind == "edited" else pictures.unedited)(pair)[0])


def _no_cosines(pairs: Pairs) -> np.ndarray:
    """Let no vector decide for a file that cannot be decoded."""
    return np.full(len(pairs), -1, np.float32)
