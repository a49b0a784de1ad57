"""What is checked before a photo moves: both files on disk, links, and what belongs to it."""

import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance
from support.duplicates import group_of
from support.pictures import copied, save, scene

from embedtool.collection.index_photos import index_photos
from embedtool.duplicates.move_files import LOG, Moves, move_duplicates, undo_moves
from embedtool.library.functions import find_duplicates
from embedtool.library.results import DuplicateResult


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A photo, its copy, a small one, and a brighter one."""
    photos = tmp_path / "photos"
    one = save(photos / "1.jpg", scene(1), quality=92)
    copied(one, photos / "copy.jpg")
    os.utime(photos / "copy.jpg", (1_700_000_000, 1_700_000_000))
    save(photos / "small.jpg", scene(1).resize((240, 180)), quality=80)
    save(photos / "brighter.png", ImageEnhance.Brightness(scene(1)).enhance(1.2))
    return photos


def found_in(*photos: Path) -> DuplicateResult:
    index = photos[0].parent / "index"
    index_photos(list(photos), index=index, model="builtin")
    return find_duplicates(index)


def names(moves: Moves) -> list[str]:
    return [source.name for source, _ in moves]


def rot(path: Path) -> None:
    """Change a byte of a file, but neither its size nor its time."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[-len(data) // 3] ^= 0x55
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_each_kind_moves_if_it_is_named(photos: Path, tmp_path: Path) -> None:
    found, away = found_in(photos), tmp_path / "away"
    assert names(move_duplicates(found, away, dry_run=True)) == ["copy.jpg"]
    assert names(move_duplicates(found, away, dry_run=True, edited=True)) == [
        "copy.jpg", "brighter.png",
    ]  # fmt: skip
    moved = move_duplicates(found, away, near=True)
    assert names(moved) == ["copy.jpg", "small.jpg"] and moved.left == []
    assert moved.bytes_freed == sum(place.stat().st_size for _, place in moved)


@pytest.mark.parametrize("rotten", ["1.jpg", "copy.jpg", "small.jpg"])
def test_a_photo_stays_if_it_or_the_kept_one_is_not_what_was_indexed(
    rotten: str, photos: Path, tmp_path: Path
) -> None:
    found = found_in(photos)
    rot(photos / rotten)
    moved = move_duplicates(found, tmp_path / "away", near=True, edited=True)
    keep = f"{photos / '1.jpg'}, which would be kept,"
    names_of = {"copy.jpg", "small.jpg", "brighter.png"}
    expected = names_of if rotten == "1.jpg" else {rotten}
    assert set(moved.left) == {
        f"{photos / name} was not moved: {keep if rotten == '1.jpg' else 'it'} has changed since "
        "it was indexed. Index it again"
        for name in expected
    }
    assert set(names(moved)) == names_of - expected


def test_near_identical_photos_are_compared_again(photos: Path, tmp_path: Path) -> None:
    """The kept file has the bytes that were indexed, but shows another picture."""
    found = found_in(photos)
    [near] = [group for group in found if group.kind == "near-identical"]
    for kind, picture in (("near-identical", "brighter.png"), ("edited", "other.jpg")):
        save(photos / "other.jpg", scene(2))
        group = group_of(near.keep, photos / picture, kind=kind)
        wrong = DuplicateResult(found.index, found.roots, 4, (group,))
        moved = move_duplicates(wrong, tmp_path / "away", near=True, edited=True)
        assert moved == [] and moved.left == [
            f"{photos / picture} was not moved: its picture is not that of {near.keep}, which "
            "would be kept"
        ]


def test_a_file_that_links_point_to_is_kept_or_stays(photos: Path, tmp_path: Path) -> None:
    (photos / "album").mkdir()
    (photos / "album" / "best.jpg").symlink_to("../copy.jpg")
    (photos / "album" / "little").symlink_to("../small.jpg")
    (photos / "album" / "little again").symlink_to("little")
    found = found_in(photos)
    assert found[0].reason == f"the link {photos / 'album' / 'best.jpg'} points to it"
    os.symlink("copy.jpg", photos / ".later")  # not in the index
    moved = move_duplicates(found, tmp_path / "away", near=True)
    assert names(moved) == ["1.jpg"]
    [left] = moved.left
    assert left.startswith(f"{photos / 'small.jpg'} was not moved: the link {photos}/album/little")
    assert not [path for path in photos.rglob("*") if not path.exists()], "a broken link"


def test_a_link_that_came_later_keeps_its_file(photos: Path, tmp_path: Path) -> None:
    found = found_in(photos)
    os.symlink("copy.jpg", photos / ".later")
    moved = move_duplicates(found, tmp_path / "away")
    assert moved == [] and moved.left == [
        f"{photos / 'copy.jpg'} was not moved: the link {photos / '.later'} points to it"
    ]


def test_a_photo_in_two_roots_is_one_photo(tmp_path: Path) -> None:
    one = save(tmp_path / "photos" / "1.jpg", scene(1))
    (tmp_path / "other").mkdir()
    os.link(one, tmp_path / "other" / "hard.jpg")
    (tmp_path / "linked").symlink_to(tmp_path / "photos")
    found = found_in(tmp_path / "photos", tmp_path / "other", tmp_path / "linked")
    assert list(found) == [] and found.images == 3
    assert found.notes == ("2 names are links to other files of the index and were left out",)


def test_a_link_made_of_the_kept_file_is_not_moved(photos: Path, tmp_path: Path) -> None:
    found = found_in(photos)
    status = (photos / "copy.jpg").stat()
    (photos / "copy.jpg").unlink()
    os.link(photos / "1.jpg", photos / "copy.jpg")
    os.utime(photos / "copy.jpg", ns=(status.st_atime_ns, status.st_mtime_ns))
    moved = move_duplicates(found, tmp_path / "away")
    assert moved == [] and "it is the same file as" in moved.left[0]
    (photos / "copy.jpg").unlink()
    shutil.copy2(photos / "1.jpg", tmp_path / "outside.jpg")
    (photos / "copy.jpg").symlink_to(tmp_path / "outside.jpg")
    moved = move_duplicates(found, tmp_path / "away")
    assert moved == [] and moved.left == [f"{photos / 'copy.jpg'} was not moved: it is a link"]


def test_a_raw_file_and_its_jpeg_are_no_duplicates_and_stay_together(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    jpeg = save(photos / "a" / "IMG_1.JPG", scene(1))
    raw = save(photos / "a" / "IMG_1.DNG", scene(1).resize((240, 180)), format="TIFF")
    preview = {254: 1}  # a reduced image stands before the one of the sensor
    save(photos / "a" / "preview.tif", scene(1).resize((200, 150)), tiffinfo=preview)
    (photos / "a" / "IMG_1.xmp").write_text("stars: 5")
    found = found_in(photos)
    assert list(found) == []
    copied(jpeg, photos / "b" / "IMG_1.JPG")
    found = found_in(photos)
    assert [g.reason for g in found] == ["IMG_1.DNG lies beside it"]
    copied(raw, photos / "b" / "IMG_1.DNG")
    found = found_in(photos)
    away = tmp_path / "away"
    (photos / "b" / "IMG_1.xmp").write_text("stars: 1")
    moved = move_duplicates(found, away, dry_run=True)
    assert names(moved) == ["IMG_1.xmp", "IMG_1.DNG", "IMG_1.JPG"]
    rot(photos / "b" / "IMG_1.DNG")
    moved = move_duplicates(found, away)
    assert moved == [] and len(moved.left) == 1 and not away.exists()
    os.rename(photos / "b" / "IMG_1.DNG", photos / "b" / "IMG_1.CR3")
    moved = move_duplicates(found, away)
    assert moved == [] and moved.left[0].endswith("IMG_1.CR3, which belongs to it, stays")


def test_sidecars_move_and_come_back_with_their_photo(photos: Path, tmp_path: Path) -> None:
    for name in ("copy.xmp", "copy.jpg.xmp", "copy.AAE", "copy.MOV", "1.xmp"):
        (photos / name).write_text(name)
    save(photos / "copy.thm", scene(1).resize((160, 120)), format="JPEG")
    before = {path.name: path.read_bytes() for path in photos.iterdir()}
    found, away = found_in(photos), tmp_path / "away"
    assert "1 thumbnails of other files (.thm) were left out" in found.notes
    away.mkdir()
    (away / "copy.MOV").write_text("of the user")
    moved = move_duplicates(found, away)
    assert [(source.name, place.name) for source, place in moved] == [
        ("copy.xmp", "copy (2).xmp"),
        ("copy.thm", "copy (2).thm"),
        ("copy.jpg.xmp", "copy (2).jpg.xmp"),
        ("copy.MOV", "copy (2).MOV"),
        ("copy.AAE", "copy (2).AAE"),
        ("copy.jpg", "copy (2).jpg"),
    ]
    back, left = undo_moves(away / LOG)
    assert len(back) == 6 and left == []
    assert {path.name: path.read_bytes() for path in photos.iterdir()} == before


def test_the_original_is_kept_and_its_edits_are_no_duplicates(tmp_path: Path) -> None:
    """Each edit is a larger file than its original, as PNG or as JPEG of a high quality."""
    photos = tmp_path / "photos"
    exif = Image.Exif()
    exif[271], exif[272] = "Acme", "X1"
    exif.get_ifd(0x8769)[0x9003] = "2020:05:01 12:30:45"
    for number in range(3):
        image = scene(number)
        save(photos / f"{number}.jpg", image, quality=80, exif=exif if number == 1 else b"")
        bright = ImageEnhance.Brightness(image).enhance(1.2)
        larger = bright.resize((960, 720)) if number == 1 else bright
        save(photos / f"0 {number} bright.png", larger, date=1_500_000_000)
    save(photos / "IMG_0007.JPG", scene(7), quality=50)
    save(photos / "IMG_E0007.JPG", scene(7), quality=95, date=1_500_000_000)
    found = found_in(photos)
    camera = "as Acme X1 took it on 2020-05-01 12:30:45, and the other has no such record"
    png = "the other is a lossless PNG file made from a lossy one of its size"
    phone = "IMG_E0007.JPG is by its name an edit of IMG_0007.JPG"
    assert {(g.kind, g.keep.name, g.reason) for g in found} == {
        ("edited", "0.jpg", png),
        ("edited", "1.jpg", camera),
        ("edited", "2.jpg", png),
        ("edited", "IMG_0007.JPG", phone),
    }
    assert not any(group.redundant for group in found)
    assert move_duplicates(found, tmp_path / "away", near=True) == []


def test_a_png_is_kept_unless_it_was_made_from_the_jpeg(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    save(photos / "drawn.png", scene(1))
    save(photos / "drawn.jpg", scene(1), quality=80, date=1_700_000_000)
    save(photos / "photo.jpg", scene(2), quality=80, date=1_700_000_000)
    save(photos / "photo.png", Image.open(photos / "photo.jpg"))
    found = found_in(photos)
    assert {g.keep.name for g in found} == {"drawn.png", "photo.jpg"}
    assert {g.kind for g in found} == {"near-identical"}


def test_groups_of_edits_do_not_split_their_re_encodings(tmp_path: Path) -> None:
    """The copy of an edit is near-identical to it, and only the edit is in a group with the
    original."""
    photos = tmp_path / "photos"
    bright = ImageEnhance.Brightness(scene(1)).enhance(1.2)
    save(photos / "1.jpg", scene(1), quality=90)
    save(photos / "2.jpg", bright, quality=85, date=1_700_000_000)
    save(photos / "3.jpg", bright.resize((240, 180)), quality=85, date=1_700_000_000)
    found = found_in(photos)
    assert [(g.kind, [path.name for path in g.paths]) for g in found] == [
        ("near-identical", ["2.jpg", "3.jpg"]),
        ("edited", ["1.jpg", "2.jpg"]),
    ]


def test_the_log_is_plain_json_lines(photos: Path, tmp_path: Path) -> None:
    found, away = found_in(photos), tmp_path / "away"
    away.mkdir()
    line = json.dumps({"from": "/a", "to": str(away / "b")})
    earlier = f"\n{line}\n"
    (away / LOG).write_text(earlier + '\n{"from": "/cut')
    move_duplicates(found, away, near=True)
    lines = (away / LOG).read_text().removeprefix(earlier + "\n").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"from": str(photos / name), "to": str(away / name)} for name in ("copy.jpg", "small.jpg")
    ]
    (away / LOG).write_text(line)  # complete, as an editor leaves it
    (away / "copy.jpg").rename(photos / "copy.jpg")
    move_duplicates(found, away)
    assert len([json.loads(line) for line in (away / LOG).read_text().splitlines()]) == 2
