"""Logs of moved duplicates that a stranger crafted."""

import json
from pathlib import Path

import pytest
from duplicates.test_move_log import duplicates_in, write_log
from duplicates.test_move_log import photos as photos

from embedtool.duplicates.move_files import LOG, move_duplicates, undo_moves
from embedtool.errors import UsageError


def hostile_moves(folder: Path, outside: Path) -> list[dict[str, str]]:
    place = folder / "photo.jpg"
    return [
        {"from": "relative/photo.jpg", "to": str(place)},
        {"from": f"{outside}/../photo.jpg", "to": str(place)},
        {"from": f"{outside}/.profile", "to": str(folder / "profile")},
        {"from": f"{outside}/run.py", "to": str(place)},
        {"from": f"{outside}/photo.jpg", "to": f"{outside}/mine.jpg"},
        {"from": f"{outside}/photo.jpg", "to": f"{folder}/../outside/mine.jpg"},
        {"from": f"{outside}/photo.jpg", "to": f"{folder}/link/mine.jpg"},
        {"from": f"{outside}/\0.jpg", "to": str(place)},
    ]


@pytest.mark.parametrize("number", range(8))
def test_the_log_of_a_stranger_moves_nothing_from_or_to_elsewhere(
    number: int, tmp_path: Path
) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    for one in (folder, outside):
        one.mkdir()
    (outside / "mine.jpg").write_bytes(b"GIF8 mine")
    (folder / "photo.jpg").write_bytes(b"GIF8 theirs")
    (folder / "profile").write_text("rm -r ~")
    (folder / "link").symlink_to(outside)
    (folder / LOG).write_text(json.dumps(hostile_moves(folder, outside)[number]) + "\n")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="expected a log of moves to"):
        undo_moves(folder / LOG)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_no_photo_is_not_moved_back(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    for name in ("script", "tool.py"):
        (tmp_path / "away" / name).write_text("#!/bin/sh")
    moves = [(photos / name, tmp_path / "away" / name) for name in ("script", "tool.py")]
    back, left = undo_moves(write_log(tmp_path / "away", *moves))
    assert back == [] and len(left) == 2
    assert all(one.endswith("expected a photo or a sidecar of one") for one in left)
    assert not (photos / "script").exists()


@pytest.mark.parametrize("linked", [False, True])
def test_a_file_that_is_itself_the_moved_one_is_not_deleted(
    linked: bool, photos: Path, tmp_path: Path
) -> None:
    """The log names one file twice, or the user has linked the moved folder back."""
    away = tmp_path / "away"
    away.mkdir()
    (away / "2.jpg").write_text("the only copy")
    if linked:
        (photos / "back").symlink_to(away)
    source = photos / "back" / "2.jpg" if linked else away / "2.jpg"
    log = write_log(away, (source, away / "2.jpg"))
    assert undo_moves(log) == ([], [])
    log = next(away.glob(f"{LOG}*")).rename(away / LOG)
    move_duplicates(duplicates_in(photos, "sub/3.jpg"), away)
    assert (away / "2.jpg").read_text() == "the only copy"


def test_the_log_is_not_a_link_to_another_file(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "mine").write_text("no line break at the end")
    (tmp_path / "away" / LOG).symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match="symbolic links are not followed"):
        move_duplicates(duplicates_in(photos, "2.jpg"), tmp_path / "away")
    assert (tmp_path / "mine").read_text() == "no line break at the end"
