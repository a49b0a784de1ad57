"""Which files are images: folders, single files, globs and lists, in one stable order.

A folder is searched for files that carry an image extension, in any case, or image bytes under
another name. Hidden names, `._*` twins and the folders that storage boxes make are skipped.
"""

import glob
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from embedtool.core.types import Source
from embedtool.errors import PhotosMissing
from embedtool.images.formats import HEAD, WEAK, sniff

EXTENSIONS = frozenset(
    b".avif .bmp .dib .gif .heic .heif .jfif .jpe .jpeg .jpg .mpo .pbm .pgm .png .pnm .ppm .tif "
    b".tiff .webp".split()
)
SKIPPED_FOLDERS = frozenset({b"@eaDir", b"__MACOSX"})  # thumbnails of a NAS, forks of a Mac zip
CATALOGUE = b"catalog.sqlite"  # a folder that holds one is an index, not photos


@dataclass(frozen=True)
class Scope:
    """What a listing looked at: a folder below a root (b"" is the root itself), or one file."""

    root: bytes
    path: bytes
    is_file: bool = False

    def holds(self, root: bytes, path: bytes) -> bool:
        if root != self.root:
            return False
        if self.is_file:
            return path == self.path
        return not self.path or path.startswith(self.path + b"/")

    def __str__(self) -> str:
        return os.fsdecode(os.path.join(self.root, self.path).rstrip(b"/") or b"/")


@dataclass
class Listing:
    files: list[Source] = field(default_factory=list)  # by root, then by path, as bytes
    scopes: list[Scope] = field(default_factory=list)
    unreadable: list[Scope] = field(default_factory=list)  # folders that could not be opened
    others: int = 0  # files in those folders that are no images

    def holds(self, root: bytes, path: bytes) -> bool:
        """Whether a file not listed was looked for, and so is gone."""
        files, folders = self._looked_at
        return ((root, path) in files or any(s.holds(root, path) for s in folders)) and not any(
            s.holds(root, path) for s in self.unreadable
        )

    @cached_property
    def _looked_at(self) -> tuple[set[tuple[bytes, bytes]], list[Scope]]:
        files = {(scope.root, scope.path) for scope in self.scopes if scope.is_file}
        return files, [scope for scope in self.scopes if not scope.is_file]


def list_photos(photos: Sequence[str | os.PathLike[str]], roots: Iterable[bytes] = ()) -> Listing:
    """List every image under `photos`; `roots` are the folders an index already knows.

    A folder inside a known root is listed as a part of it, so that one file has one name.
    Raises PhotosMissing where a name stands for nothing.
    """
    listing = Listing()
    known = set(roots)
    targets = {os.path.abspath(os.fsencode(p)) for name in photos for p in _expand(name)}
    folders = {target for target in targets if os.path.isdir(target)}
    for folder in sorted(folders):  # those above come before those inside
        root = _root_above(folder, known) or folder
        known.add(root)
        listing.scopes.append(Scope(root, _relative(folder, root)))
    for file in sorted(targets - folders):
        root = _root_above(file, known) or os.path.dirname(file)
        known.add(root)
        listing.scopes.append(Scope(root, _relative(file, root), True))
    found_files: set[Source] = set()
    for scope in listing.scopes:
        if scope.is_file:
            found_files.add(_source(scope.root, scope.path))
        else:
            found_files.update(_list_folder(scope, listing))
    listing.files = sorted(found_files, key=lambda f: (f.root, f.path))
    return listing


def require_images(listing: Listing) -> None:
    """Raise PhotosMissing where a listing is empty."""
    if not listing.files:
        where = ", ".join(map(str, listing.scopes))
        raise PhotosMissing(
            f"found no image in {where} ({listing.others} other files). "
            "Name a folder that has JPEG, PNG, TIFF, WebP, GIF, BMP or AVIF files in it"
        )


def _expand(name: str | os.PathLike[str]) -> list[str]:
    text = os.fspath(name)
    if os.path.lexists(text):
        return [text]
    matches = sorted(glob.glob(text, recursive=True)) if glob.has_magic(text) else []
    if not matches:
        raise PhotosMissing(
            f"expected a folder, an image file or a pattern; {text!r} does not exist. If it is on "
            "a disk that is not mounted, mount it and run the same command: nothing was changed"
        )
    return matches


def _root_above(path: bytes, roots: set[bytes]) -> bytes | None:
    """The deepest root that is `path` or holds it."""
    while path not in roots:
        if path == os.path.dirname(path):
            return None
        path = os.path.dirname(path)
    return path


def _relative(path: bytes, root: bytes) -> bytes:
    return path[len(root.rstrip(b"/")) + 1 :].replace(os.fsencode(os.sep), b"/")


def _list_folder(scope: Scope, listing: Listing) -> Iterable[Source]:
    top = os.path.join(scope.root, scope.path)
    real_top = os.path.realpath(top)
    seen: set[tuple[int, int]] = set()
    pending = [scope.path]
    while pending:
        folder = pending.pop()
        full = os.path.join(scope.root, folder)
        try:
            identity = os.stat(full)
            with os.scandir(full) as entries:
                content = sorted(entries, key=lambda e: e.name)
        except OSError as error:
            if folder == scope.path:
                raise PhotosMissing(
                    f"cannot read the folder {scope}: {error.strerror}. Nothing was changed"
                ) from error
            listing.unreadable.append(Scope(scope.root, folder))
            continue
        if not content and folder != scope.path:  # a mount point without its disk, perhaps
            listing.unreadable.append(Scope(scope.root, folder))
        if (identity.st_dev, identity.st_ino) in seen:
            continue
        seen.add((identity.st_dev, identity.st_ino))
        if folder != scope.path and any(e.name == CATALOGUE for e in content):
            continue
        inner = []
        for entry in content:
            path = folder + b"/" + entry.name if folder else entry.name
            if entry.name.startswith(b"."):
                continue
            if _is_folder(entry):
                if entry.name not in SKIPPED_FOLDERS and not _leads_back(entry, real_top):
                    inner.append(path)
            elif _is_image(entry):
                yield _source(scope.root, path)
            elif entry.is_symlink() and not os.path.exists(entry.path):
                listing.unreadable.append(Scope(scope.root, path))  # a folder on another disk?
            else:
                listing.others += 1
        pending += reversed(inner)


def _leads_back(entry: os.DirEntry[bytes], top: bytes) -> bool:
    """Whether a link points above the listed folder, or below it, where it is listed anyway."""
    if not entry.is_symlink():
        return False
    target, above = os.path.realpath(entry.path), top.rstrip(b"/") + b"/"
    if (target + b"/").startswith(above):
        parts = target[len(above) :].split(os.fsencode(os.sep))
        return not any(part.startswith(b".") or part in SKIPPED_FOLDERS for part in parts)
    return above.startswith(target.rstrip(b"/") + b"/")


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or into a folder that may not be entered
        return False


def _is_image(entry: os.DirEntry[bytes]) -> bool:
    if os.path.splitext(entry.name)[1].lower() in EXTENSIONS:
        return True
    try:
        if not entry.is_file():
            return False
        with open(entry.path, "rb") as file:
            kind = sniff(file.read(HEAD))
    except OSError:
        return False
    return kind is not None and kind not in WEAK


def _source(root: bytes, path: bytes) -> Source:
    try:
        status = os.stat(os.path.join(root, path))
    except OSError:  # a broken link, say: reading it will say why
        return Source(root, path, 0, 0)
    size = status.st_size if stat.S_ISREG(status.st_mode) else 0
    return Source(root, path, size, status.st_mtime_ns)
