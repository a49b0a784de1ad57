"""Move redundant images into a folder. Every move can be undone.

Before a move, the photo and the one that is kept are read and compared. Each move is written to a
log and flushed to disk before it is made. Nothing is overwritten. Nothing is deleted except the
second of two equal copies that a move across file systems leaves.
"""

import errno
import filecmp
import json
import os
import shutil
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from embedtool.core.atomic_files import sync_folder
from embedtool.core.drafts import new_draft, remove_dead_drafts
from embedtool.core.foreign_files import open_regular, parse_json
from embedtool.core.types import PathLike
from embedtool.duplicates.check_move import MOVABLE, is_inside, links_by_target, why_not
from embedtool.duplicates.companions import Companions
from embedtool.duplicates.plan_moves import Move, Places, check_target, free_names, photos_to_move
from embedtool.duplicates.results import Duplicates
from embedtool.errors import EmbedtoolError, UsageError

LOG = "embedtool-moves.jsonl"
LOG_LINE_BYTES = 64 << 10  # two paths of 4,096 bytes each, with escapes


class Moves(list[Move]):
    """The moves that were made, as (from, to). The sidecars of a photo come before it.

    left: why other photos were not moved, one sentence each. bytes_freed: the bytes that are no
    longer in the folders of the photos.
    """

    def __init__(self) -> None:
        super().__init__()
        self.left: list[str] = []
        self.bytes_freed = 0


def move_duplicates(
    duplicates: Duplicates,
    folder: PathLike,
    *,
    near: bool = False,
    edited: bool = False,
    dry_run: bool = False,
) -> Moves:
    """Move the redundant images into folder, and return the moves as (from, to).

    Images with the same bytes as the kept one are moved; near: near-identical ones too; edited:
    edited ones too. Before each move, both files are read. An image stays, and `left` of the result
    says why, if either has changed since it was indexed, if a link points to it, or if its RAW file
    stays. Sidecars (.xmp, .aae, .thm, the .mov of a live photo) move with their photo. Each move is
    first logged as a line of folder/embedtool-moves.jsonl, which `undo_moves` reads. dry_run: check
    all this and move nothing. Raises UsageError if folder is inside the indexed photos.

    >>> report = embedtool.index_photos("photos/sunset", index="indexes/sunset", model="builtin")
    >>> found = embedtool.find_duplicates("indexes/sunset")
    >>> moves = embedtool.move_duplicates(found, "redundant")
    >>> [(source.name, target.parent.name) for source, target in moves]
    [('copy of sunset-01.jpg', 'redundant')]
    >>> back, failed = embedtool.undo_moves("redundant/embedtool-moves.jsonl")
    """
    target = Path(os.path.abspath(folder))
    check_target(duplicates, target)
    if not dry_run:
        _revert_unfinished_move(target)
    companions, places = Companions(), Places(target, duplicates.roots)
    units, left = photos_to_move(duplicates, companions, near=near, edited=edited)
    links = links_by_target(duplicates.roots) if units else {}
    done = Moves()
    done.left += left
    gone: set[Path] = set()
    with ExitStack() as stack:
        log = None
        for unit in units:
            reasons = [
                (one.photo, why) for one in unit if (why := why_not(one, links, duplicates.roots))
            ]
            if reasons:
                done.left += [f"{photo} was not moved: {why}" for photo, why in reasons]
                continue
            photos = [one.photo for one in unit]
            gone.update(photos)
            sidecars = {path for photo in photos for path in companions.sidecars_of(photo, gone)}
            moves = places.moves([*photos, *sorted(sidecars)])
            if outside := [place for _, place in moves if not is_inside(place.parent, target)]:
                done.left.append(f"{photos[0]} was not moved: {outside[0].parent} leads elsewhere")
                continue
            # Sidecars first: a run that is killed in between finds the photo, and goes on.
            for source, place in reversed(moves):
                status = source.lstat()
                if not dry_run:
                    log = log or stack.enter_context(_open_log(target))
                    _log(log, source, place)
                    _move(source, place)
                done.append((source, place))
                done.bytes_freed += status.st_size if status.st_nlink == 1 else 0
    return done


def _revert_unfinished_move(folder: Path) -> None:
    """Remove what the last move of a log left in its folder, if it was killed before the photo had
    lost its old name."""
    log = folder / LOG
    if log.is_symlink() or not log.exists():
        return
    for source, place in deque(_read_log(log), maxlen=1):
        remove_dead_drafts(place)
        if os.path.lexists(source) and _is_photo(place) and _is_second_name(place, source):
            place.unlink()


@contextmanager
def _open_log(folder: Path) -> Iterator[BinaryIO]:
    """Open the log of a folder to add lines. A line that a killed run cut off is removed: its move
    was not made."""
    _make_folder(folder)
    with open_regular(folder / LOG, "a+b") as log:
        sync_folder(folder)
        log.seek(0)
        content = log.read()
        end = content.rfind(b"\n") + 1
        if _read_move(content[end:]):
            log.write(b"\n")
        else:
            log.truncate(end)
        yield log


def _log(log: BinaryIO, source: Path, place: Path) -> None:
    log.write(json.dumps({"from": str(source), "to": str(place)}).encode() + b"\n")
    log.flush()
    os.fsync(log.fileno())


def undo_moves(log: PathLike) -> tuple[list[Move], list[str]]:
    """Move the images of a log back. Return the moves made as (from, to), and why others failed.

    If the move or the undo was killed at any moment, running this again completes the undo. A log
    is renamed when all of it is undone. Only photos and their sidecars in the folder of the log are
    moved, because a log may come from a stranger. Raises UsageError if the file is not such a log.

    >>> report = embedtool.index_photos("photos/sunset", index="indexes/sunset", model="builtin")
    >>> found = embedtool.find_duplicates("indexes/sunset")
    >>> moved = embedtool.move_duplicates(found, "moved")
    >>> back, failed = embedtool.undo_moves("moved/embedtool-moves.jsonl")
    >>> [target.name for source, target in back], failed
    (['copy of sunset-01.jpg'], [])
    """
    path = Path(log)
    if not path.is_file():
        raise UsageError(f"expected a log of moves, FOLDER/{LOG}, but {path} is not a file")
    moves = list(_read_log(path))
    back, left = [], []
    for source, place in reversed(moves):
        remove_dead_drafts(place)
        if not os.path.lexists(place):
            if not os.path.lexists(source):
                left.append(f"{place} was not moved back: neither it nor {source} exists")
            continue
        if not _is_photo(place):
            left.append(f"{place} was not moved back: expected a photo or a sidecar of one")
        elif not os.path.lexists(source):
            _move(place, source)
            back.append((place, source))
        elif _is_second_name(place, source):  # the move was killed after its copy
            place.unlink()
            back.append((place, source))
        elif os.path.samefile(source, place):
            continue
        else:
            left.append(f"{place} was not moved back: another file is at {source}. Move it away")
    if moves and not left:  # later files with these names are not part of this move
        undone = path.with_name(path.name + ".undone")
        os.rename(path, free_names([undone], undone, set())[0])
    return back, left


def _make_folder(folder: Path) -> None:
    """Create a folder, and put it and each new folder above it on disk."""
    missing = [one for one in (folder, *folder.parents) if not one.is_dir()]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        sync_folder(one.parent)


def _move(source: Path, place: Path) -> None:
    """Move one file. It gets its new name before it loses the old one, so it always has a name."""
    _make_folder(place.parent)
    try:
        os.link(source, place, follow_symlinks=False)  # unlike a rename, never overwrites
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _copy(source, place)
    sync_folder(place.parent)
    source.unlink()


_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


def _copy(source: Path, place: Path) -> None:
    """Copy across file systems. The copy gets its name only when it is complete and on disk."""
    if source.is_symlink():
        place.symlink_to(os.readlink(source))
        return
    with new_draft(place, Path.touch) as draft:
        try:
            shutil.copy2(source, draft)
            with open(draft, "rb") as file:
                os.fsync(file.fileno())
            if not filecmp.cmp(source, draft, shallow=False):
                raise EmbedtoolError(
                    f"{source} was not moved: its copy in {place.parent} has other bytes. Check "
                    "both disks, then run the same command again"
                )
            if os.path.lexists(place):
                raise FileExistsError(
                    errno.EEXIST, "a file of this name already exists", str(place)
                )
            os.rename(draft, place)
        except BaseException:
            draft.unlink()
            raise


def _same_content(one: Path, other: Path) -> bool:
    """Return whether two files have equal bytes, or two links the same target."""
    if one.is_symlink() or other.is_symlink():
        return one.is_symlink() and other.is_symlink() and os.readlink(one) == os.readlink(other)
    return filecmp.cmp(one, other, shallow=False)


def _is_photo(path: Path) -> bool:
    """Return whether a file has a name as those that `move_duplicates` moves: not of a program."""
    return path.suffix.lower() in MOVABLE and os.path.lexists(path) and not path.is_dir()


def _is_second_name(place: Path, source: Path) -> bool:
    """Return whether `place` can be removed, because `source` has the same content elsewhere."""
    if not os.path.lexists(place) or not _same_content(source, place):
        return False
    one_file = os.path.samestat(os.lstat(source), os.lstat(place))
    if one_file and os.lstat(place).st_nlink < 2:
        return False
    own, other = (os.path.realpath(path.parent) for path in (source, place))
    return own != other or source.name.casefold() != place.name.casefold()


def _read_log(path: Path) -> Iterator[Move]:
    """Yield the moves of a log. Earlier versions wrote an empty line before each move."""
    folder = os.path.realpath(path.parent)
    with open_regular(path, follow=True) as log:
        while line := log.readline(LOG_LINE_BYTES):
            move = _read_move(line)
            if move is None and b'{"from": "'.startswith(line.rstrip(b"\n")[:10]):
                continue  # empty, or cut off by a kill before the move
            if move is None or not _is_own(move, folder):
                raise UsageError(
                    f"expected a log of moves to {folder}, but {path} has the line {line[:40]!r}"
                )
            yield move


def _is_own(move: Move, folder: str) -> bool:
    """Return whether a move leads from a name that can be a photo's into the folder of the log."""
    source, place = move
    if "\0" in f"{source}{place}":
        return False
    return (
        source.is_absolute()
        and ".." not in source.parts
        and not source.name.startswith(".")
        and source.suffix == place.suffix
        and is_inside(place.parent, Path(folder))
    )


def _read_move(line: bytes) -> Move | None:
    try:
        entry = parse_json(line)
        return Path(entry["from"]), Path(entry["to"])
    except (ValueError, TypeError, KeyError):
        return None
