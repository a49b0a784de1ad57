"""A folder of links or copies for each group of duplicates."""

import os
from pathlib import Path

import pytest
from support.duplicates import group_of

from embedtool.duplicates.duplicate_folders import write_duplicate_folders
from embedtool.duplicates.results import Duplicates


def test_groups_are_gathered(found: Duplicates, tmp_path: Path) -> None:
    for copy in (False, True):
        folders = write_duplicate_folders(found, tmp_path / f"gathered {copy}", copy=copy)
        assert len(folders) == 7
        for folder, group in zip(folders, found.groups, strict=True):
            inside = sorted(folder.iterdir())
            assert [p.read_bytes() for p in inside] == [p.read_bytes() for p in group.paths]
            assert {p.is_symlink() for p in inside} == {not copy}


@pytest.mark.parametrize("copy", [False, True])
def test_names_of_folders_and_images(copy: bool, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in "abcdef":
        (photos / name).write_text(f"GIF8 {name}")
    a, b, c, d, e, f = (photos / name for name in "abcdef")
    groups = (group_of(b, a), group_of(c, d), group_of(b, e, f, kind="near-identical"))
    duplicates = Duplicates(tmp_path / "index", (photos,), 6, groups)
    target = tmp_path / "gathered"
    folders = write_duplicate_folders(duplicates, target, copy=copy)
    assert [(f.relative_to(target).as_posix(), sorted(os.listdir(f))) for f in folders] == [
        ("identical-0001", ["01 keep b", "02 a"]),
        ("identical-0002", ["01 keep c", "02 d"]),
        ("near-identical-0001", ["01 keep b", "02 e", "03 f"]),
    ]
    assert (folders[2] / "03 f").read_text() == "GIF8 f"
    assert (folders[2] / "03 f").is_symlink() == (not copy)


def test_what_is_no_image_is_not_copied_and_long_names_are_shortened(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    long = photos / f"{'é' * 125}.jpg"
    for path, content in (
        (photos / "shadow", "root:x"),
        (long, "GIF8 a"),
        (photos / "b", "GIF8 b"),
    ):
        path.write_text(content)
    group = group_of(photos / "b", photos / "shadow", long)
    duplicates = Duplicates(tmp_path / "index", (photos,), 3, (group,))
    with pytest.warns(UserWarning, match=r"1 photos cannot be copied; the first is .*shadow"):
        [folder] = write_duplicate_folders(duplicates, tmp_path / "copies", copy=True)
    assert sorted(os.listdir(folder)) == ["01 keep b", f"03 {'é' * 124}.jpg"]
    [folder] = write_duplicate_folders(duplicates, tmp_path / "links", copy=False)
    assert (folder / f"03 {'é' * 124}.jpg").read_text() == "GIF8 a"
