"""Moves and links to folders: of the photos, and in the folder that they move to."""

import os
import subprocess
from pathlib import Path

from duplicates.test_check_move import found_in
from duplicates.test_check_move import photos as photos
from support.pictures import copied

from embedtool.duplicates.check_move import links_by_target
from embedtool.duplicates.move_files import move_duplicates


def test_a_photo_behind_a_linked_folder_stays(photos: Path, tmp_path: Path) -> None:
    """Of an indexed folder of a stranger, a link may lead to the user's own pictures."""
    own = copied(photos / "1.jpg", tmp_path / "own" / "IMG_1.jpg")
    (photos / "zzz").symlink_to(tmp_path / "own")
    found = found_in(photos)
    moved = move_duplicates(found, tmp_path / "away")
    assert photos / "zzz" / "IMG_1.jpg" not in [source for source, _ in moved]
    assert any("IMG_1.jpg was not moved: a link leads to its folder" in why for why in moved.left)
    assert own.exists()


def test_nothing_moves_through_a_link_in_the_target(photos: Path, tmp_path: Path) -> None:
    copied(photos / "1.jpg", photos / "z" / "again.jpg")
    (tmp_path / "away").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "away" / "z").symlink_to(tmp_path / "outside")
    moved = move_duplicates(found_in(photos), tmp_path / "away")
    assert any("leads elsewhere" in why for why in moved.left)
    assert not any((tmp_path / "outside").iterdir()) and (photos / "z" / "again.jpg").exists()


def test_a_program_is_not_moved(photos: Path, tmp_path: Path) -> None:
    copied(photos / "1.jpg", photos / "tool.py")
    moved = move_duplicates(found_in(photos), tmp_path / "away")
    assert any("tool.py was not moved: its name does not end" in why for why in moved.left)


def test_a_link_is_found_however_deep_it_lies(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    folder = tmp_path / "top"
    folder.mkdir()
    handle = os.open(folder, os.O_RDONLY)
    for _ in range(1_200):
        os.mkdir("d", dir_fd=handle)
        inner = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(handle)
    (folder / "d" / "d" / "link.jpg").symlink_to(tmp_path / "photo.jpg")
    assert links_by_target([folder]) == {
        str((tmp_path / "photo.jpg").resolve()): folder / "d" / "d" / "link.jpg"
    }
    subprocess.run(["rm", "-r", folder], check=True)  # too deep for Python's own
