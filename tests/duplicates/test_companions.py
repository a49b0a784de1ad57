"""The files that belong to a photo, by their names."""

from pathlib import Path

import pytest

from embedtool.duplicates.companions import Companions


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        *("IMG_1.JPG", "IMG_1.DNG", "IMG_1.xmp", "IMG_1.JPG.xmp", "IMG_1.AAE", "IMG_10.xmp"),
        *("IMG_2.jpg", "IMG_2.MOV", "IMG_2.txt", "IMG_E2.jpg", "IMG_E3.jpg", "IMG_E2.AAE"),
        *("c.jpg", "c.png", "c.thm"),
    ):
        (tmp_path / name).touch()
    (tmp_path / "IMG_2.xmp").symlink_to("elsewhere")
    return tmp_path


def test_a_raw_file_and_its_jpeg_are_a_pair(folder: Path) -> None:
    found = Companions()
    assert found.pair_of(folder / "IMG_1.JPG") == [folder / "IMG_1.DNG"]
    assert found.pair_of(folder / "IMG_1.DNG") == [folder / "IMG_1.JPG"]
    assert found.pair_of(folder / "c.jpg") == found.pair_of(folder / "gone" / "c.jpg") == []


@pytest.mark.parametrize(
    ("edit", "original"), [("IMG_E2.jpg", "IMG_2.jpg"), ("IMG_E3.jpg", None), ("IMG_2.jpg", None)]
)
def test_the_edit_of_a_phone_is_known_by_its_name(
    edit: str, original: str | None, folder: Path
) -> None:
    expected = folder / original if original else None
    assert Companions().original_of(folder / edit) == expected


@pytest.mark.parametrize(
    ("photo", "gone", "sidecars"),
    [
        ("IMG_1.JPG", [], ["IMG_1.JPG.xmp"]),
        ("IMG_1.DNG", ["IMG_1.JPG"], ["IMG_1.AAE", "IMG_1.xmp"]),
        ("IMG_2.jpg", [], ["IMG_2.MOV"]),
        ("IMG_E2.jpg", [], ["IMG_E2.AAE"]),
        ("c.jpg", [], []),
        ("c.png", ["c.jpg"], ["c.thm"]),
    ],
)
def test_sidecars_move_with_the_last_photo_of_their_name(
    photo: str, gone: list[str], sidecars: list[str], folder: Path
) -> None:
    found = Companions().sidecars_of(folder / photo, [folder / name for name in gone])
    assert found == [folder / name for name in sidecars]
