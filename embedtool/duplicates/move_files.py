"""Move redundant images into a folder; every move can be undone.

A move is written to a log, and the log is on disk, before it is made. Nothing is overwritten and
nothing is deleted but the second of two equal copies that a move across file systems leaves.
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
PARTIAL = ".embedtool-part"  # ends the name of a copy that is not whole yet
Move = tuple[Path, Path]  # from, to


def plan_moves(duplicates: Duplicates, folder: PathLike) -> list[Move]:
    """Return where `move_duplicates` moves each redundant image: folder / its path below its root.

    With several roots each has its own folder, by its name. Raises UsageError where folder lies
    among the photos: the next index would find there what was moved out of the way.
    """
    target = Path(os.path.abspath(folder))
    for root in duplicates.roots:
        if target == root or root in target.parents:
            raise UsageError(
                f"expected a folder outside the indexed photos, {target} lies in {root}"
            )
    taken: set[Path] = set()
    moves = []
    for group in duplicates.groups:
        for path in group.redundant:
            root = max(
                (r for r in duplicates.roots if r in path.parents), key=lambda r: len(str(r))
            )
            below = path.relative_to(root)
            if len(duplicates.roots) > 1:
                below = Path(root.name or "root") / below
            moves.append((path, _free_name(target / below, taken)))
    return moves


def move_duplicates(duplicates: Duplicates, folder: PathLike) -> list[Move]:
    """Move every redundant image into folder, and return what was moved, as (from, to).

    The kept images stay where they are. folder/embedtool-moves.jsonl takes one line before each
    move; `undo_moves` reads it. An image whose kept one is not there any more is not moved.
    Raises UsageError as `plan_moves` does.
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
            # After a kill the last line may be cut off: a new line of its own leaves that behind.
            log.write(b"\n" + line.encode() + b"\n")
            log.flush()
            os.fsync(log.fileno())
            _move(source, place)
            done.append((source, place))
    return done


def undo_moves(log: PathLike) -> tuple[list[Move], list[str]]:
    """Bring back all that a log says was moved: (moves made, now as (from, to); what was not, why).

    After a kill at any moment, of the move or of this, it does what is left to do. A log that has
    been undone whole is renamed. Raises UsageError where the file is no such log.
    """
    path = Path(log)
    if not path.is_file():
        raise UsageError(f"expected a log of moves, FOLDER/{LOG}; found no file at {path}")
    moves = _read_log(path)
    back, left = [], []
    for source, place in reversed(moves):
        place.with_name(place.name + PARTIAL).unlink(missing_ok=True)
        if not os.path.lexists(place):
            if not os.path.lexists(source):
                left.append(f"{place} is gone, and so is {source}")
            continue
        if not os.path.lexists(source):
            _move(place, source)
            back.append((place, source))
        elif _same_content(source, place):  # killed between the copy and the end of the move
            place.unlink()
            back.append((place, source))
        else:
            left.append(f"{place} stays: another file stands at {source}")
    if moves and not left:  # done with: what comes to stand at these names later is nobody's move
        os.rename(path, _free_name(path.with_name(path.name + ".undone"), set()))
    return back, left


def _free_name(place: Path, taken: set[Path]) -> Path:
    """A name that nothing has, on disk or in this plan: NAME, else NAME (2) and so on."""
    candidate, number = place, 1
    while candidate in taken or os.path.lexists(candidate):
        number += 1
        candidate = place.with_name(f"{place.stem} ({number}){place.suffix}")
    taken.add(candidate)
    return candidate


def _move(source: Path, place: Path) -> None:
    """Move one file; a second name for it comes first, so that it always has one."""
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
    """Copy across file systems; the copy has its name only once it is whole and on disk."""
    partial = place.with_name(place.name + PARTIAL)
    shutil.copy2(source, partial, follow_symlinks=False)
    if not partial.is_symlink():
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        if not filecmp.cmp(source, partial, shallow=False):
            partial.unlink()
            raise EmbedtoolError(f"{source} was copied to {place.parent}, but reads back otherwise")
    if os.path.lexists(place):
        partial.unlink()
        raise FileExistsError(errno.EEXIST, "would be overwritten", str(place))
    os.rename(partial, place)


def _same_content(one: Path, other: Path) -> bool:
    """Whether two names stand for one file, or for equal bytes."""
    if one.is_symlink() or other.is_symlink():
        return one.is_symlink() and other.is_symlink() and os.readlink(one) == os.readlink(other)
    return os.path.samefile(one, other) or filecmp.cmp(one, other, shallow=False)


def _read_log(path: Path) -> Sequence[Move]:
    lines: Iterable[bytes] = path.read_bytes().split(b"\n")
    moves = []
    for line in filter(None, lines):
        try:
            entry = json.loads(line)
            moves.append((Path(entry["from"]), Path(entry["to"])))
        except (ValueError, TypeError, KeyError):
            if b'{"from": "'.startswith(line[:10]):  # cut off by a kill, so its move was not begun
                continue
            raise UsageError(f"expected a log of moves, {path} holds {line[:40]!r}") from None
    return moves
