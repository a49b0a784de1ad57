"""Folders that are missing, empty, nested, linked, renamed or moved between."""

import os
import shutil
from pathlib import Path

import pytest
from support.indexes import content, counts, run, unused_embedder
from support.pictures import encoded, picture

from embedtool.errors import PhotosMissing
from embedtool.store.reader import IndexReader


@pytest.mark.parametrize("emptied", [True, False])
def test_a_root_that_is_missing_or_empty_empties_nothing(
    index: Path, photos: Path, emptied: bool
) -> None:
    run(index, photos)
    before = content(index)
    photos.rename(photos.with_name("unmounted"))
    if emptied:
        photos.mkdir()
        (photos / "readme.txt").write_text("mount point")
    with pytest.raises(PhotosMissing):
        run(index, photos)
    assert content(index) == before
    if emptied:
        shutil.rmtree(photos)
    photos.with_name("unmounted").rename(photos)
    assert counts(run(index, photos, embedder=unused_embedder)) == {"unchanged": 7, "rejected": 1}


def test_an_empty_inner_root_stops_the_outer_one(index: Path, photos: Path) -> None:
    (photos / "usb").mkdir()
    (photos / "usb" / "u.png").write_bytes(encoded(picture(40), "PNG"))
    run(index, photos / "usb")
    (photos / "usb" / "u.png").unlink()
    with pytest.raises(PhotosMissing, match="usb has no images"):
        run(index, photos)


def test_a_folder_above_a_known_root_takes_it_in(index: Path, photos: Path) -> None:
    assert counts(run(index, photos / "sub")) == {"added": 1}
    assert counts(run(index, photos)) == {
        "added": 5, "duplicates": 1, "unchanged": 1, "rejected": 1,
    }  # fmt: skip
    with IndexReader(index) as opened:
        assert opened.roots() == [os.fsencode(photos)]
    assert counts(run(index, photos / "sub", embedder=unused_embedder)) == {"unchanged": 1}
    assert len(content(index)) == 7


def test_only_what_was_looked_at_can_be_gone(index: Path, photos: Path) -> None:
    run(index, photos)
    (photos / "5.png").unlink()
    (photos / "sub" / "copy of 0.png").unlink()
    (photos / "sub" / "x.png").write_bytes(encoded(picture(50), "PNG"))
    assert counts(run(index, photos / "sub")) == {"added": 1, "removed": 1}
    assert counts(run(index, photos / "4.png")) == {"unchanged": 1}
    assert str(photos / "5.png") in content(index)


def test_two_roots_and_a_move_between_them(index: Path, photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "o.png").write_bytes(encoded(picture(60), "PNG"))
    run(index, photos, other)
    (photos / "1.png").rename(other / "1.png")
    assert counts(run(index, photos, other)) == {"renamed": 1, "unchanged": 7, "rejected": 1}


def test_a_sibling_with_a_longer_name_is_another_folder(index: Path, tmp_path: Path) -> None:
    for name in ("2024", "2024 trip"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(encoded(picture(len(name)), "PNG"))
    run(index, tmp_path / "2024 trip")
    assert counts(run(index, tmp_path / "2024")) == {"added": 1}


def test_a_folder_that_was_renamed_is_followed(index: Path, photos: Path, tmp_path: Path) -> None:
    run(index, photos)
    before = content(index)
    photos.rename(tmp_path / "renamed")
    assert counts(run(index, tmp_path / "renamed")) == {"renamed": 7, "rejected": 1}
    assert {Path(p).name: v for p, v in content(index).items()} == {
        Path(p).name: v for p, v in before.items()
    }
    assert all(str(tmp_path / "renamed") in path for path in content(index))


def test_a_link_to_itself_is_no_reason_to_stop(index: Path, photos: Path) -> None:
    (photos / "loop.jpg").symlink_to(photos / "loop.jpg")
    (photos / "loop").symlink_to(photos / "loop")
    assert counts(run(index, photos)) == {"added": 6, "duplicates": 1, "rejected": 2}


def test_links_to_a_disk_that_is_not_mounted_keep_their_vectors(
    index: Path, photos: Path, tmp_path: Path
) -> None:
    links = tmp_path / "links"
    (links / "empty mount").mkdir(parents=True)
    for name in ("1.png", "2.png"):
        (links / name).symlink_to(photos / name)
    (links / "folder").symlink_to(photos / "sub")
    (links / "empty mount" / "3.png").write_bytes((photos / "3.png").read_bytes())
    run(index, links)
    before = content(index)
    assert len(before) == 4
    photos.rename(tmp_path / "elsewhere")
    (links / "empty mount" / "3.png").unlink()
    report = run(index, links)
    assert (report.unchanged, report.removed, report.rejected) == (2, 0, 0)
    assert len(report.notes) == 3
    assert content(index) == before
    (tmp_path / "elsewhere").rename(photos)
    assert content(index) == before
