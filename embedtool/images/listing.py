"""List the images in folders, single files, patterns and lists, in a stable order.

A folder is searched for files with an image extension, in upper or lower case, or with image bytes
under another name. Hidden files, `._*` files and folders that storage devices create are skipped.
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
SKIPPED_FOLDERS = frozenset({b"@eaDir", b"__MACOSX"})  # NAS thumbnails, resource forks of a Mac
CATALOGUE = b"catalog.sqlite"  # a folder that holds one is an index, not photos


@dataclass(frozen=True)
class Scope:
    """A place that was searched: a folder below a root (b"" is the root itself), or one file."""

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
    others: int = 0  # files in those folders that are not images

    def holds(self, root: bytes, path: bytes) -> bool:
        """Return whether a file that is not listed was searched for, and so is gone."""
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

    A folder inside a known root is listed as a part of it, so that each file has one name.
    Raises PhotosMissing if a name matches nothing.
    """
    listing = Listing()
    known = set(roots)
    targets = {os.path.abspath(os.fsencode(p)) for name in photos for p in _expand(name)}
    folders = {target for target in targets if os.path.isdir(target)}
    for folder in sorted(folders):  # parents come before their subfolders
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
    """Raise PhotosMissing if a listing is empty."""
    if not listing.files:
        where = ", ".join(map(str, listing.scopes))
        raise PhotosMissing(
            f"found no images in {where} ({listing.others} other files). "
            "Name a folder with JPEG, PNG, TIFF, WebP, GIF, BMP or AVIF files"
        )


def _expand(name: str | os.PathLike[str]) -> list[str]:
    text = os.fspath(name)
    if os.path.lexists(text):
        return [text]
    matches = sorted(glob.glob(text, recursive=True)) if glob.has_magic(text) else []
    if not matches:
        raise PhotosMissing(
            f"expected a folder, an image file or a pattern; {text!r} does not exist. Nothing was "
            "changed. If it is on a disk that is not mounted, mount the disk and run this again"
        )
    return matches


def _root_above(path: bytes, roots: set[bytes]) -> bytes | None:
    """Return the deepest root that is or contains `path`, or None."""
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
                    f"cannot read the folder {scope}: {error.strerror}. Nothing was changed. Check "
                    "its permissions, then run the same command again"
                ) from error
            listing.unreadable.append(Scope(scope.root, folder))
            continue
        if not content and folder != scope.path:  # possibly a mount point without its disk
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
                listing.unreadable.append(Scope(scope.root, path))  # possibly an unmounted disk
            else:
                listing.others += 1
        pending += reversed(inner)


def _leads_back(entry: os.DirEntry[bytes], top: bytes) -> bool:
    """Return whether a link points to a parent, or to a subfolder that is listed anyway."""
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
    except OSError:  # a link to itself, or into a folder without access
        return False


def _is_image(entry: os.DirEntry[bytes]) -> bool:
    if os.path.splitext(entry.name)[1].lower() in EXTENSIONS:
        return True
    try:
        if not (entry.is_file() and entry.stat().st_size):  # some files of /proc block, and have 0
            return False
        with open(entry.path, "rb") as file:
            kind = sniff(file.read(HEAD))
    except OSError:
        return False
    return kind is not None and kind not in WEAK


def _source(root: bytes, path: bytes) -> Source:
    try:
        status = os.stat(os.path.join(root, path))
    except OSError:  # such as a broken link: reading it will give the reason
        return Source(root, path, 0, 0)
    size = status.st_size if stat.S_ISREG(status.st_mode) else 0
    return Source(root, path, size, status.st_mtime_ns)
