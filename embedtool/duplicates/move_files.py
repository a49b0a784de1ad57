"""Move redundant images into a folder. Every move can be undone.

Each move is written to a log and flushed to disk before it is made. Nothing is overwritten. Nothing
is deleted except the second of two equal copies that a move across file systems leaves.
"""

import errno
import filecmp
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from embedtool.core.atomic_files import sync_folder
from embedtool.core.types import PathLike
from embedtool.duplicates.results import Duplicates
from embedtool.errors import EmbedtoolError, UsageError

LOG = "embedtool-moves.jsonl"
PARTIAL = ".embedtool-part"  # the suffix of an incomplete copy
Move = tuple[Path, Path]  # from, to


def plan_moves(duplicates: Duplicates, folder: PathLike) -> list[Move]:
    """Return where `move_duplicates` moves each redundant image: folder / its path below its root.

    If there are several roots, each has its own folder, named after it. Raises UsageError if
    folder is inside the indexed photos, since the next run of `index` would find the moved images.
    """
    target = Path(os.path.abspath(folder))
    for root in duplicates.roots:
        if target == root or root in target.parents:
            raise UsageError(
                f"expected a folder outside the indexed photos, but {target} is inside {root}. "
                "Choose another folder"
            )
    taken: set[Path] = set()
    moves = []
    for group in duplicates.groups:
        for path in group.redundant:
            root = max(r for r in duplicates.roots if r in path.parents)  # the innermost
            base = root.parent if len(duplicates.roots) > 1 else root
            moves.append((path, _free_name(target / path.relative_to(base), taken)))
    return moves


def move_duplicates(duplicates: Duplicates, folder: PathLike) -> list[Move]:
    """Move every redundant image into folder, and return the moves as (from, to).

    The kept images stay where they are. Each move is first logged as a line of
    folder/embedtool-moves.jsonl, which `undo_moves` reads. If a kept image is gone, its duplicates
    are not moved. Raises UsageError if folder is inside the indexed photos.

    >>> report = embedtool.index_photos("photos/sunset", index="indexes/sunset", model="builtin")
    >>> found = embedtool.find_duplicates("indexes/sunset")
    >>> [(source, target)] = embedtool.move_duplicates(found, "redundant")
    >>> source.name, target.parent.name
    ('copy of sunset-01.jpg', 'redundant')
    >>> back, failed = embedtool.undo_moves("redundant/embedtool-moves.jsonl")
    """
    keep_of = {path: group.keep for group in duplicates.groups for path in group.redundant}
    moves = plan_moves(duplicates, folder)
    if not moves:
        return []
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    done = []
    with open(target / LOG, "ab") as log:
        sync_folder(target)
        for source, place in moves:
            if not keep_of[source].is_file() or not os.path.lexists(source):
                continue
            line = json.dumps({"from": str(source), "to": str(place)})
            # A killed run may have cut off the last line: the first line break ends it.
            log.write(b"\n" + line.encode() + b"\n")
            log.flush()
            os.fsync(log.fileno())
            _move(source, place)
            done.append((source, place))
    return done


def undo_moves(log: PathLike) -> tuple[list[Move], list[str]]:
    """Move the images of a log back. Return the moves made as (from, to), and why others failed.

    If the move or the undo was killed at any moment, running this again completes the undo. A log
    is renamed when all of it is undone. Raises UsageError if the file is not such a log.

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
    moves = _read_log(path)
    back, left = [], []
    for source, place in reversed(moves):
        place.with_name(place.name + PARTIAL).unlink(missing_ok=True)
        if not os.path.lexists(place):
            if not os.path.lexists(source):
                left.append(f"{place} was not moved back: neither it nor {source} exists")
            continue
        if not os.path.lexists(source):
            _move(place, source)
            back.append((place, source))
        elif _same_content(source, place):  # the move was killed after its copy
            place.unlink()
            back.append((place, source))
        else:
            left.append(f"{place} was not moved back: another file is at {source}. Move it away")
    if moves and not left:  # later files with these names are not part of this move
        os.rename(path, _free_name(path.with_name(path.name + ".undone"), set()))
    return back, left


def _free_name(place: Path, taken: set[Path]) -> Path:
    """Return a name that is free on disk and in this plan: NAME, else NAME (2) and so on."""
    candidate, number = place, 1
    while candidate in taken or os.path.lexists(candidate):
        number += 1
        candidate = place.with_name(f"{place.stem} ({number}){place.suffix}")
    taken.add(candidate)
    return candidate


def _move(source: Path, place: Path) -> None:
    """Move one file. It gets its new name before it loses the old one, so it always has a name."""
    place.parent.mkdir(parents=True, exist_ok=True)
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
    partial = place.with_name(place.name + PARTIAL)
    shutil.copy2(source, partial, follow_symlinks=False)
    if not partial.is_symlink():
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        if not filecmp.cmp(source, partial, shallow=False):
            partial.unlink()
            raise EmbedtoolError(
                f"{source} was not moved: its copy in {place.parent} has other bytes. Check both "
                "disks, then run the same command again"
            )
    if os.path.lexists(place):
        partial.unlink()
        raise FileExistsError(errno.EEXIST, "a file of this name already exists", str(place))
    os.rename(partial, place)


def _same_content(one: Path, other: Path) -> bool:
    """Return whether two files have equal bytes, or two links the same target."""
    if one.is_symlink() or other.is_symlink():
        return one.is_symlink() and other.is_symlink() and os.readlink(one) == os.readlink(other)
    return filecmp.cmp(one, other, shallow=False)


def _read_log(path: Path) -> Sequence[Move]:
    lines: Iterable[bytes] = path.read_bytes().split(b"\n")
    moves = []
    for line in filter(None, lines):
        try:
            entry = json.loads(line)
            moves.append((Path(entry["from"]), Path(entry["to"])))
        except (ValueError, TypeError, KeyError):
            if b'{"from": "'.startswith(line[:10]):  # cut off before its move
                continue
            raise UsageError(
                f"expected a log of moves, but {path} has the line {line[:40]!r}"
            ) from None
    return moves
