"""Moving redundant images: nothing is lost, overwritten or left behind after a kill."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.duplicates import forbid_links
from support.pictures import save, scene

from embedtool import find_duplicates
from embedtool.collection.index_photos import index_photos
from embedtool.duplicates import move_files
from embedtool.duplicates.move_files import move_duplicates, undo_moves
from embedtool.duplicates.results import Duplicates
from embedtool.errors import UsageError


@pytest.fixture
def scene_duplicates(scenes: Path) -> Duplicates:
    index = index_photos(scenes, index=scenes.parent / "index", model="builtin").index
    return find_duplicates(index)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_nothing_is_overwritten(scenes: Path, scene_duplicates: Duplicates) -> None:
    away = scenes.parent / "away"
    (away / "b").mkdir(parents=True)
    (away / "b" / "1.jpg").write_bytes(b"mine")
    move_duplicates(scene_duplicates, away, near=True, edited=True)
    assert (away / "b" / "1.jpg").read_bytes() == b"mine"
    assert (away / "b" / "1 (2).jpg").exists()
    (scenes / "b" / "1.jpg").write_bytes(b"new")  # came since
    back, left = undo_moves(away / move_files.LOG)
    assert len(back) == 3 and (scenes / "b" / "1.jpg").read_bytes() == b"new"
    place, source = away / "b" / "1 (2).jpg", scenes / "b" / "1.jpg"
    assert left == [f"{place} was not moved back: another file is at {source}. Move it away"]
    assert (away / move_files.LOG).exists()  # not all is back


def test_nothing_moves_whose_kept_one_is_gone(scenes: Path, scene_duplicates: Duplicates) -> None:
    (scenes / "a" / "0.jpg").unlink()
    moved = move_duplicates(scene_duplicates, scenes.parent / "away", near=True, edited=True)
    assert [source.name for source, _ in moved] == ["1.jpg"]


def test_across_file_systems(
    scenes: Path, scene_duplicates: Duplicates, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_links(monkeypatch)
    before, away = tree(scenes), scenes.parent / "away"
    times = {name: (scenes / name).stat().st_mtime_ns for name in before}
    moved = move_duplicates(scene_duplicates, away, near=True, edited=True)
    assert len(moved) == 4 and not any(source.exists() for source, _ in moved)
    back, left = undo_moves(away / move_files.LOG)
    assert len(back) == 4 and left == [] and tree(scenes) == before
    assert {name: (scenes / name).stat().st_mtime_ns for name in before} == times


def test_a_move_is_undone(found: Duplicates, photos: Path, tmp_path: Path) -> None:
    before, away = tree(photos), tmp_path / "away"
    every = {"near": True, "edited": True}
    planned = move_duplicates(found, away, dry_run=True, **every)
    assert tree(photos) == before and len(planned) == 10 and not away.exists()
    (away / "again").mkdir(parents=True)
    (away / "again" / "city-01 small.png").write_bytes(b"of the user")
    moved = move_duplicates(found, away, **every)
    assert {source for source, _ in moved} == {source for source, _ in planned}
    assert moved.bytes_freed == sum(place.stat().st_size for _, place in moved)
    assert all(group.keep.is_file() for group in found.groups)
    assert (away / "again" / "city-01 small.png").read_bytes() == b"of the user"
    assert len(tree(photos)) == len(before) - 10
    back, left = undo_moves(away / move_files.LOG)
    assert len(back) == 10 and left == [] and tree(photos) == before
    with pytest.raises(UsageError, match="outside the indexed photos"):
        move_duplicates(found, photos / "duplicates", dry_run=True)


KILLED_BEFORE_MOVE = """
import os, signal, sys
from embedtool.duplicates import move_files
from embedtool import find_duplicates
real, left = move_files._move, [int(sys.argv[3])]
def move(source, place):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    real(source, place)
move_files._move = move
found = find_duplicates(sys.argv[1])
move_files.move_duplicates(found, sys.argv[2], near=True, edited=True)
"""


@pytest.mark.parametrize("moves", [0, 4])
def test_a_killed_move_is_undone(
    found: Duplicates, photos: Path, tmp_path: Path, moves: int
) -> None:
    before, away = tree(photos), tmp_path / "away"
    line = [sys.executable, "-c", KILLED_BEFORE_MOVE, found.index, away, moves]
    assert subprocess.run(list(map(str, line)), check=False).returncode == -signal.SIGKILL
    assert len(tree(away)) == moves + 1, "and the log"
    back, left = undo_moves(away / move_files.LOG)
    assert len(back) == moves and left == [] and tree(photos) == before


KILLED = """
import hashlib, os, signal, sys
from pathlib import Path
from embedtool.duplicates import move_files
from embedtool.duplicates.results import DuplicateGroup, Duplicates
folder, away, step, across = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "across"
names = [folder / f"{n}.jpg" for n in range(4)]
def dies(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
count = 0
def second(real):
    def call(*args, **options):
        global count
        count += 1
        return dies() if count == 2 else real(*args, **options)
    return call
if across:
    def no_link(*_, **__):
        raise OSError(18, "Invalid cross-device link")
    os.link = no_link
if step == "before":
    move_files._move = second(move_files._move)
elif step == "between":
    Path.unlink = second(Path.unlink)
elif step == "copying":
    def half(source, target, **_):
        Path(target).write_bytes(Path(source).read_bytes()[:100])
        dies()
    real = move_files.shutil.copy2
    def copy2(source, target, **options):
        global count
        count += 1
        return half(source, target) if count == 2 else real(source, target, **options)
    move_files.shutil.copy2 = copy2
sha256 = (hashlib.sha256(names[0].read_bytes()).hexdigest(),) * 4
group = DuplicateGroup(
    "identical", names[0], "", tuple(names), (1.0,) * 4, tuple(names[1:]), True, sha256
)
move_files.move_duplicates(Duplicates(Path("i"), (folder,), 4, (group,)), away)
"""


def killed(step: str, across: str, photos: Path, away: Path) -> int:
    """Move 1.jpg, 2.jpg and 3.jpg, which are copies of 0.jpg. Return the exit code."""
    command: list[str | Path] = [sys.executable, "-c", KILLED, photos, away, step, across]
    return subprocess.run(command, check=False, capture_output=True).returncode


def four_copies(photos: Path, *, sidecar: bool) -> dict[str, bytes]:
    for number in range(4):
        save(photos / f"{number}.jpg", scene(0))
    if sidecar:
        (photos / "1.xmp").write_text("stars " * 50)
    return tree(photos)


@pytest.mark.parametrize("sidecar", [False, True])
@pytest.mark.parametrize(
    ("step", "across"),
    [("before", "same"), ("between", "same"), ("between", "across"), ("copying", "across")],
)
def test_killed_in_the_middle_undo_brings_all_back(
    step: str, across: str, sidecar: bool, tmp_path: Path
) -> None:
    """The process dies when it moves the second file: a photo, or the first after its sidecar."""
    photos, away = tmp_path / "photos", tmp_path / "away"
    before = four_copies(photos, sidecar=sidecar)
    assert killed(step, across, photos, away) == -signal.SIGKILL
    assert (photos / "2.jpg").exists() and not (photos / ("1.xmp" if sidecar else "1.jpg")).exists()
    with open(away / move_files.LOG, "ab") as log:
        log.write(b'\n{"from": "/cut')  # what a kill while the log was written would leave
    _, left = undo_moves(away / move_files.LOG)
    assert left == [] and tree(photos) == before
    assert [name for name in tree(away) if not name.startswith(move_files.LOG)] == []


@pytest.mark.parametrize("sidecar", [False, True])
@pytest.mark.parametrize(
    ("step", "across"),
    [("before", "same"), ("between", "same"), ("between", "across"), ("copying", "across")],
)
def test_killed_in_the_middle_the_next_run_completes_it(
    step: str, across: str, sidecar: bool, tmp_path: Path
) -> None:
    photos, away = tmp_path / "photos", tmp_path / "away"
    before = four_copies(photos, sidecar=sidecar)
    assert killed(step, across, photos, away) == -signal.SIGKILL
    assert killed("not", across, photos, away) == 0
    moved = {name: content for name, content in tree(away).items() if name != move_files.LOG}
    assert moved == {name: before[name] for name in before if name != "0.jpg"}
    assert tree(photos) == {"0.jpg": before["0.jpg"]}


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UsageError, match="expected a log of moves"):
        undo_moves(tmp_path / "notes.txt")
