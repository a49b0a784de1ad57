"""Which files are listed, under which name, in which order."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pictures import encoded, picture
from support.unanswered import unanswered

from embedtool.core.types import Source
from embedtool.errors import PhotosMissing
from embedtool.images.listing import list_photos


def touch(folder: Path, *names: str | bytes, content: bytes = b"x") -> None:
    for name in names:
        path = os.path.join(os.fsencode(folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)


def listed(*photos: Path | str, roots: tuple[bytes, ...] = ()) -> list[bytes]:
    return [file.path for file in list_photos(photos, roots).files]


def test_extensions_in_any_case_and_sniffed_content(tmp_path: Path) -> None:
    touch(tmp_path, "a.JPG", "b.Jpeg", "c.tif", "d.HEIC", "notes.txt", "BMW prices.doc")
    touch(tmp_path, "no extension", content=encoded(picture(1)))
    touch(tmp_path, "scan.dat", content=encoded(picture(1), "TIFF"))
    touch(tmp_path, "text", content=b"BM is how this text begins")
    listing = list_photos([tmp_path])
    assert [f.path for f in listing.files] == [
        b"a.JPG", b"b.Jpeg", b"c.tif", b"d.HEIC", b"no extension", b"scan.dat",
    ]  # fmt: skip
    assert listing.others == 3


def test_hidden_files_and_machine_folders_are_skipped(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "._a.jpg", ".b.jpg", ".git/c.jpg", "@eaDir/d.jpg", "__MACOSX/e.jpg")
    assert listed(tmp_path) == [b"a.jpg"]


def test_a_hidden_folder_named_by_hand_is_listed(tmp_path: Path) -> None:
    touch(tmp_path, ".photos/a.jpg")
    assert listed(tmp_path / ".photos") == [b"a.jpg"]


def test_an_index_among_the_photos_is_not_listed(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "index/catalog.sqlite", "index/derived/thumb.jpg")
    assert listed(tmp_path) == [b"a.jpg"]


def test_links_are_followed_once_and_loops_are_not(tmp_path: Path) -> None:
    touch(tmp_path, "photos/z/a.jpg", "elsewhere/b.jpg")
    photos = tmp_path / "photos"
    (photos / "loop").symlink_to(photos)
    (photos / "up").symlink_to(tmp_path)
    (photos / "inside").symlink_to(photos / "z")
    (photos / "out").symlink_to(tmp_path / "elsewhere")
    (photos / "out again").symlink_to(tmp_path / "elsewhere")
    (photos / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert listed(photos) == [b"gone.jpg", b"out/b.jpg", b"z/a.jpg"]


def test_files_patterns_and_folders_together_name_each_file_once(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.jpg", "in/b.png", "in/deep/c.jpg", "d.jpg")
    files = list_photos([tmp_path / "in", str(tmp_path / "in" / "*.jpg"), tmp_path / "d.jpg"]).files
    inner, outer = os.fsencode(tmp_path / "in"), os.fsencode(tmp_path)
    assert [(f.root, f.path) for f in files] == [
        (outer, b"d.jpg"),
        (inner, b"a.jpg"),
        (inner, b"b.png"),
        (inner, b"deep/c.jpg"),
    ]
    by_pattern = list_photos([str(tmp_path / "**" / "*.jpg")]).files
    assert [os.path.join(f.root, f.path) for f in by_pattern] == [
        os.path.join(outer, b"d.jpg"),
        os.path.join(inner, b"a.jpg"),
        os.path.join(inner, b"deep", b"c.jpg"),
    ]


def test_a_folder_inside_a_known_root_keeps_the_roots_names(tmp_path: Path) -> None:
    touch(tmp_path, "2024/a.jpg", "2023/b.jpg")
    listing = list_photos([tmp_path / "2024"], [os.fsencode(tmp_path)])
    assert [(f.root, f.path) for f in listing.files] == [(os.fsencode(tmp_path), b"2024/a.jpg")]
    assert listing.holds(os.fsencode(tmp_path), b"2024/gone.jpg")
    assert not listing.holds(os.fsencode(tmp_path), b"2023/b.jpg")
    assert not listing.holds(os.fsencode(tmp_path), b"20245/b.jpg")


def test_a_name_that_stands_for_nothing(tmp_path: Path) -> None:
    for name in ("nothing", "*.jpg"):
        with pytest.raises(PhotosMissing, match="does not exist"):
            list_photos([tmp_path / name])


@pytest.mark.skipif(os.getuid() == 0, reason="root may read every folder")
def test_an_unreadable_folder_loses_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "locked/b.jpg")
    (tmp_path / "locked").chmod(0)
    listing = list_photos([tmp_path])
    (tmp_path / "locked").chmod(0o755)
    assert [f.path for f in listing.files] == [b"a.jpg"]
    assert not listing.holds(os.fsencode(tmp_path), b"locked/b.jpg")


def test_a_pipe_is_listed_but_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    assert listed(tmp_path) == [b"pipe.jpg"]


def test_what_has_no_bytes_is_not_opened(tmp_path: Path) -> None:
    """So are the files of /proc, some of which block."""
    touch(tmp_path, "a.jpg")
    (tmp_path / "kmsg").touch()
    with unanswered(tmp_path / "kmsg"):
        assert listed(tmp_path) == [b"a.jpg"]


names = st.binary(min_size=1, max_size=20).filter(
    lambda name: not set(name) & set(b"/\0") and not name.startswith(b".")
)


@given(st.sets(names, min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_any_name_comes_back_byte_for_byte_in_order(
    tmp_path_factory: pytest.TempPathFactory, stems: set[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("names")
    touch(folder, *(stem + b".jpg" for stem in stems), content=b"four")
    files = list_photos([folder]).files
    assert [f.path for f in files] == sorted(stem + b".jpg" for stem in stems)
    for file in files:
        status = os.stat(os.path.join(file.root, file.path))
        assert file == Source(file.root, file.path, 4, status.st_mtime_ns)
