"""The log of moves: on disk before each move, and undone from its end."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from support.duplicates import forbid_links, group_of

from embedtool.core.drafts import DRAFT, hidden_sibling
from embedtool.duplicates.move_files import LOG, move_duplicates, undo_moves
from embedtool.duplicates.results import Duplicates
from embedtool.errors import UsageError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three files: 1.jpg, 2.jpg and sub/3.jpg."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name in ("1.jpg", "2.jpg", "sub/3.jpg"):
        (folder / name).write_text(f"content of {name}")
    return folder


def duplicates_in(photos: Path, *redundant: str) -> Duplicates:
    group = group_of(photos / "1.jpg", *(photos / name for name in redundant))
    return Duplicates(Path("index"), (photos,), 3, (group,))


def write_log(folder: Path, *moves: tuple[Path, Path], end: bytes = b"") -> Path:
    """Write a log of these moves, and create the files as they are after them."""
    folder.mkdir(exist_ok=True)
    lines = [json.dumps({"from": str(source), "to": str(place)}) for source, place in moves]
    (folder / LOG).write_bytes("".join(f"\n{line}\n" for line in lines).encode() + end)
    return folder / LOG


def name_of(path: Path) -> str:
    """The name of a file; of an incomplete copy, DRAFT and the name it will have."""
    return f"DRAFT {path.name[1:-33]}" if DRAFT.fullmatch(path.name) else path.name


LOGGED_FIRST = {
    "link": [
        *("sync above", "sync away"),
        *("log: 2.jpg", "link 2.jpg", "sync away", "unlink 2.jpg"),
        *("log: 2.jpg 3.jpg", "sync away", "link 3.jpg", "sync sub", "unlink 3.jpg"),
    ],
    "copy": [
        *("sync above", "sync away"),
        *(
            "log: 2.jpg",
            "copy2 2.jpg",
            "sync DRAFT 2.jpg",
            "rename DRAFT 2.jpg",
            "sync away",
            "unlink 2.jpg",
        ),
        *("log: 2.jpg 3.jpg", "sync away"),
        *("copy2 3.jpg", "sync DRAFT 3.jpg", "rename DRAFT 3.jpg", "sync sub", "unlink 3.jpg"),
    ],
}


@pytest.mark.parametrize("way", ["link", "copy"])
def test_each_move_is_in_the_log_on_disk_before_it_is_made(
    way: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a power failure could leave a moved image that no undo knows, or lose a folder that
    was created for it."""
    events: list[str] = []
    log, real_sync = tmp_path / "away" / LOG, os.fsync

    def fsync(descriptor: int) -> None:
        real_sync(descriptor)
        status = os.fstat(descriptor)
        if os.path.samestat(tmp_path.stat(), status):
            events.append("sync above")
            return
        path = next(p for p in tmp_path.rglob("*") if os.path.samestat(p.stat(), status))
        lines = [json.loads(line) for line in log.read_text().splitlines() if line]
        logged = " ".join(Path(line["from"]).name for line in lines)
        events.append(f"log: {logged}" if path == log else f"sync {name_of(path)}")

    def record(module: ModuleType, name: str) -> None:
        real: Callable[..., object] = getattr(module, name)

        def recorded(path: Path, *rest: object, **options: object) -> object:
            events.append(f"{name} {name_of(Path(path))}")
            return real(path, *rest, **options)

        monkeypatch.setattr(module, name, recorded)

    duplicates = duplicates_in(photos, "2.jpg", "sub/3.jpg")
    monkeypatch.setattr(os, "fsync", fsync)
    if way == "copy":
        forbid_links(monkeypatch)
    else:
        record(os, "link")
    for module, name in ((shutil, "copy2"), (os, "rename"), (os, "unlink")):
        record(module, name)
    moved = move_duplicates(duplicates, tmp_path / "away")
    assert events == LOGGED_FIRST[way]
    assert moved == [(photos / name, tmp_path / "away" / name) for name in ("2.jpg", "sub/3.jpg")]


def test_moves_of_several_runs_are_undone_from_the_last(photos: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    move_duplicates(duplicates_in(photos, "2.jpg", "sub/3.jpg"), away)
    (photos / "2.jpg").write_text("a later file")
    move_duplicates(duplicates_in(photos, "2.jpg"), away)
    assert (away / "2 (2).jpg").read_text() == "a later file"
    back, left = undo_moves(away / LOG)
    assert back == [
        (away / "2 (2).jpg", photos / "2.jpg"),
        (away / "sub" / "3.jpg", photos / "sub" / "3.jpg"),
    ]
    [problem] = left
    assert problem.startswith(
        f"{away / '2.jpg'} was not moved back: another file is at {photos / '2.jpg'}"
    )
    assert (photos / "2.jpg").read_text() == "a later file"
    assert (away / "2.jpg").read_text() == "content of 2.jpg" and (away / LOG).exists()
    os.rename(photos / "2.jpg", photos / "later 2.jpg")
    back, _ = undo_moves(str(away / LOG))
    assert back == [(away / "2.jpg", photos / "2.jpg")]
    assert undo_moves(away / LOG) == ([], [])
    assert sorted(p.name for p in away.iterdir()) == [f"{LOG}.undone", "sub"]


def test_a_file_moved_twice_goes_back_both_steps(photos: Path, tmp_path: Path) -> None:
    between, last = tmp_path / "between.jpg", tmp_path / "last.jpg"
    os.rename(photos / "2.jpg", last)
    log = write_log(tmp_path, (photos / "2.jpg", between), (between, last))
    assert undo_moves(log) == ([(last, between), (between, photos / "2.jpg")], [])
    assert (photos / "2.jpg").read_text() == "content of 2.jpg"


def test_logs_that_are_undone_get_names_of_their_own(photos: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    for _ in range(3):
        move_duplicates(duplicates_in(photos, "2.jpg"), away)
        undo_moves(away / LOG)
    undone = [f"{LOG} (2).undone", f"{LOG} (3).undone", f"{LOG}.undone"]
    assert sorted(p.name for p in away.iterdir()) == undone
    with pytest.raises(UsageError, match="expected a log of moves"):
        undo_moves(away / LOG)


def test_what_an_interrupted_move_or_undo_left_is_completed(photos: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    new, both, linked, copied, never, lost, other = moved = [
        photos / name
        for name in ("new.jpg", "2.jpg", "1.jpg", "c.jpg", "n.jpg", "x.jpg", "other.jpg")
    ]
    (away / "new.jpg").write_text("moved")
    shutil.copy2(both, away / "2.jpg")  # killed after the copy
    os.link(linked, away / "1.jpg")  # killed after the link
    copied.write_text("still here")
    hidden_sibling(away / "c.jpg").write_text("still")  # killed while it was copied
    never.write_text("logged, not moved")
    other.write_text("came now")  # of equal size and time
    (away / "other.jpg").write_text("was here")
    shutil.copystat(other, away / "other.jpg")
    log = write_log(away, *((path, away / path.name) for path in moved))
    back, left = undo_moves(log)
    assert back == [(away / path.name, path) for path in (linked, both, new)]
    assert [problem.split(": ") for problem in left] == [
        [f"{away / 'other.jpg'} was not moved back", f"another file is at {other}. Move it away"],
        [f"{away / 'x.jpg'} was not moved back", f"neither it nor {lost} exists"],
    ]
    assert sorted(away.iterdir()) == [log, away / "other.jpg"]
    assert {p.name: p.read_text() for p in photos.iterdir() if p.is_file()} == {
        "new.jpg": "moved",
        "2.jpg": "content of 2.jpg",
        "1.jpg": "content of 1.jpg",
        "c.jpg": "still here",
        "n.jpg": "logged, not moved",
        "other.jpg": "came now",
    }


@pytest.mark.parametrize(
    ("here", "there", "same"),
    [
        ("1.jpg", "1.jpg", True),
        ("1.jpg", "2.jpg", False),
        ("nowhere", "nowhere", True),
        ("1.jpg", None, False),
        (None, "1.jpg", False),
    ],
)
def test_links_are_the_same_if_they_lead_to_the_same_name(
    here: str | None, there: str | None, same: bool, photos: Path, tmp_path: Path
) -> None:
    """None is a file with the content of 1.jpg, not a link to it."""
    source, place = photos / "link.jpg", tmp_path / "away" / "link.jpg"
    place.parent.mkdir()
    for path, name in ((source, here), (place, there)):
        if name is None:
            shutil.copy2(photos / "1.jpg", path)
        else:
            path.symlink_to(photos / name)
    back, left = undo_moves(write_log(tmp_path / "away", (source, place)))
    assert (back, len(left)) == (([(place, source)], 0) if same else ([], 1))
    assert os.path.lexists(source) and os.path.lexists(place) != same


@pytest.mark.parametrize(
    "end", [b"", b"{", b'{"from', b'{"from": "/cut', b'{"from": "/a", "to": "/b']
)
def test_a_line_cut_off_by_a_kill_is_ignored(end: bytes, photos: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    os.rename(photos / "2.jpg", away / "2.jpg")
    log = write_log(away, (photos / "2.jpg", away / "2.jpg"), end=b"\n" + end)
    move_duplicates(duplicates_in(photos, "sub/3.jpg"), away)  # it goes on after the cut line
    back, left = undo_moves(log)
    assert left == [] and back == [
        (away / "sub/3.jpg", photos / "sub/3.jpg"),
        (away / "2.jpg", photos / "2.jpg"),
    ]


@pytest.mark.parametrize(
    "line",
    [b"\xff\xfe", b"[1]", b"5", b"null", b'"from"', b'{"to": "/a"}', b'{"from": 5}', b"x.jpg" * 60],
)
def test_a_line_that_is_no_move_is_quoted(line: bytes, photos: Path, tmp_path: Path) -> None:
    """Nothing is moved then, though the lines before it are moves."""
    away = tmp_path / "away"
    away.mkdir()
    os.rename(photos / "2.jpg", away / "2.jpg")
    log = write_log(away, (photos / "2.jpg", away / "2.jpg"), end=line)
    with pytest.raises(UsageError, match="expected a log of moves") as caught:
        undo_moves(log)
    assert str(caught.value).endswith(repr(line[:40])) and (away / "2.jpg").exists()


def test_an_empty_log_stays(tmp_path: Path) -> None:
    log = write_log(tmp_path)
    assert undo_moves(log) == ([], []) and log.exists()
