"""A folder of links or copies for each group of duplicates."""

from pathlib import Path

from embedtool.duplicates.duplicate_folders import write_duplicate_folders
from embedtool.duplicates.results import Duplicates


def test_groups_are_gathered(found: Duplicates, tmp_path: Path) -> None:
    for copy in (False, True):
        folders = write_duplicate_folders(found, tmp_path / f"gathered {copy}", copy=copy)
        assert len(folders) == 4
        for folder, group in zip(folders, found.groups, strict=True):
            inside = sorted(folder.iterdir())
            assert [p.read_bytes() for p in inside] == [p.read_bytes() for p in group.paths]
            assert {p.is_symlink() for p in inside} == {not copy}
