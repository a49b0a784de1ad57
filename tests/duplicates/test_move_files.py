"""Moving what is spare: nothing is lost, overwritten or left behind, whatever happens between."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.pictures import save, scene

from embedtool.collection.index_photos import index_photos
from embedtool.duplicates import move_files
from embedtool.duplicates.find_duplicates import find_duplicates
from embedtool.duplicates.move_files import move_duplicates, undo_moves
from embedtool.duplicates.results import Duplicates
from embedtool.errors import UsageError


@pytest.fixture
def found(album: Path) -> Duplicates:
    index = index_photos(album, index=album.parent / "index", model="builtin").index
    return find_duplicates(index)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_nothing_is_overwritten(album: Path, found: Duplicates) -> None:
    away = album.parent / "away"
    (away / "b").mkdir(parents=True)
    (away / "b" / "1.jpg").write_bytes(b"mine")
    move_duplicates(found, away)
    assert (away / "b" / "1.jpg").read_bytes() == b"mine"
    assert (away / "b" / "1 (2).jpg").exists()
    (album / "b" / "1.jpg").write_bytes(b"new")  # came since
    back, left = undo_moves(away / move_files.LOG)
    assert len(back) == 3 and (album / "b" / "1.jpg").read_bytes() == b"new"
    place, source = away / "b" / "1 (2).jpg", album / "b" / "1.jpg"
    assert left == [f"{place} stays: another file stands at {source}"]
    assert (away / move_files.LOG).exists()  # not all is back


def test_nothing_moves_whose_kept_one_is_gone(album: Path, found: Duplicates) -> None:
    (album / "a" / "0.jpg").unlink()
    moved = move_duplicates(found, album.parent / "away")
    assert [source.name for source, _ in moved] == ["1.jpg"]


def test_across_file_systems(
    album: Path, found: Duplicates, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_link)
    before, away = tree(album), album.parent / "away"
    times = {name: (album / name).stat().st_mtime_ns for name in before}
    moved = move_duplicates(found, away)
    assert len(moved) == 4 and not any(source.exists() for source, _ in moved)
    back, left = undo_moves(away / move_files.LOG)
    assert len(back) == 4 and left == [] and tree(album) == before
    assert {name: (album / name).stat().st_mtime_ns for name in before} == times


KILLED = """
import os, signal, sys
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
group = DuplicateGroup("identical", names[0], "", tuple(names), (1.0,) * 4, tuple(names[1:]), True)
move_files.move_duplicates(Duplicates(Path("i"), (folder,), 4, (group,)), away)
"""


@pytest.mark.parametrize(
    ("step", "across"),
    [("before", "same"), ("between", "same"), ("between", "across"), ("copying", "across")],
)
def test_killed_in_the_middle_undo_brings_all_back(step: str, across: str, tmp_path: Path) -> None:
    photos, away = tmp_path / "photos", tmp_path / "away"
    for number in range(4):
        save(photos / f"{number}.jpg", scene(number))
    before = tree(photos)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, photos, away, step, across], check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (photos / "2.jpg").exists() and not (photos / "1.jpg").exists()
    with open(away / move_files.LOG, "ab") as log:
        log.write(b'\n{"from": "/cut')  # what a kill while the log was written would leave
    _, left = undo_moves(away / move_files.LOG)
    assert left == [] and tree(photos) == before
    assert [name for name in tree(away) if not name.startswith(move_files.LOG)] == []


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UsageError, match="expected a log of moves"):
        undo_moves(tmp_path / "notes.txt")
