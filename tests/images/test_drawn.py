"""Drawn pictures replace no file of the user through a link."""

from pathlib import Path

import pytest

from embedtool import draw_photos
from embedtool.errors import UsageError


def test_a_link_in_the_place_of_a_picture_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("the only copy")
    for name in ("cut off.jpg", "sunset-01.jpg"):
        (tmp_path / "photos" / "sunset").mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / "sunset" / name).symlink_to(tmp_path / "thesis.txt")
    assert draw_photos(tmp_path / "photos", per_kind=1) == 14
    assert (tmp_path / "thesis.txt").read_text() == "the only copy"
    assert not any(path.is_symlink() for path in (tmp_path / "photos").rglob("*"))


def test_a_linked_folder_is_not_drawn_into(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "sunset").symlink_to(tmp_path / "mine")
    with pytest.raises(UsageError, match="expected no link in"):
        draw_photos(tmp_path / "photos", per_kind=1)
    assert not any((tmp_path / "mine").iterdir())
