"""Thumbnails: one for each vector, bounded, made once, extended, dropped, rebuilt when damaged."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.indexes import make_index, run
from support.pictures import encoded, picture, save
from support.progress import Reports

from embedtool.explore import thumbnails
from embedtool.explore.thumbnails import (
    MAX_BYTES,
    NO_THUMBNAILS,
    SIDE,
    Thumbnails,
    make_thumbnails,
    open_thumbnails,
)
from embedtool.images.decode import thumbnail
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

ROTATE = 6  # EXIF: to be turned a quarter clockwise


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for seed in range(5):
        save(folder / f"{seed}.png", picture(seed, (300, 200)))
    exif = Image.Exif()
    exif[0x0112] = ROTATE
    save(folder / "turned.jpg", picture(5, (300, 200)), exif=exif)
    (folder / "copy of 0.png").write_bytes((folder / "0.png").read_bytes())
    return folder


@pytest.fixture
def index(tmp_path: Path, photos: Path) -> Path:
    make_index(tmp_path / "index")
    run(tmp_path / "index", photos)
    return tmp_path / "index"


def make(index: Path) -> Thumbnails:
    with Writer(index) as writer:
        return make_thumbnails(writer)


def ids_by_name(index: Path) -> dict[str, int]:
    with IndexReader(index) as opened:
        vectors = opened.vector_ids()
        return {Path(os.fsdecode(r.path)).name: v for r, v in zip(opened.rows(), vectors)}  # noqa: B905


def opened(found: Thumbnails, id: int) -> Image.Image:
    content = found.of(id)
    assert content is not None
    return Image.open(io.BytesIO(content))


def test_each_vector_has_its_own_picture_upright_and_bounded(index: Path) -> None:
    found = make(index)
    ids = ids_by_name(index)
    assert found.ids.tolist() == sorted(set(ids.values()))
    for seed in range(5):
        thumb = opened(found, ids[f"{seed}.png"])
        assert (thumb.format, thumb.size) == ("WEBP", (SIDE, 64))
        plain = picture(seed, (300, 200)).resize(thumb.size, Image.Resampling.BOX)
        gap = np.abs(np.asarray(thumb, np.int16) - np.asarray(plain, np.int16)).mean()
        assert gap < 6, "another picture's thumbnail differs by tens"
    assert opened(found, ids["turned.jpg"]).size == (64, SIDE)
    assert ids["copy of 0.png"] == ids["0.png"]
    assert found.of(0) is None and found.of(10**9) is None


def test_each_knows_when_it_was_taken(index: Path, photos: Path) -> None:
    for name, date in (
        ("taken.jpg", "2019:07:04 12:30:05"),
        ("taken.png", "1999:12:31 23:59:59"),
        ("blank.jpg", "    :  :     :  :  "),
        ("odd.webp", "0000:00:00 00:00:00"),
    ):
        exif = Image.Exif()
        exif[0x8769] = {0x9003: date}
        save(photos / name, picture(len(name) + 20, (60, 40)), exif=exif)
    make(index)
    run(index, photos)
    found, ids = make(index), ids_by_name(index)
    names = ("taken.jpg", "taken.png", "blank.jpg", "odd.webp", "0.png")
    dates = found.taken(np.array([ids[name] for name in names] + [10**9]))
    assert dates[:2].astype(str).tolist() == ["2019-07-04T12:30:05", "1999-12-31T23:59:59"]
    assert np.isnat(dates[2:]).all()
    with IndexReader(index) as opened:
        again = open_thumbnails(opened)
    assert np.array_equal(again.taken(found.ids), found.dates, equal_nan=True)


@pytest.mark.parametrize(("contrast", "quality"), [(0.43, 75), (0.5, 40), (0.7, 40), (1, 5)])
def test_noise_is_saved_at_the_highest_quality_that_keeps_to_the_limit(
    index: Path, photos: Path, contrast: float, quality: int
) -> None:
    noise = np.random.default_rng(0).integers(-128, 128, (SIDE, SIDE, 3))
    file = save(photos / "noise.png", Image.fromarray((128 + contrast * noise).astype(np.uint8)))
    run(index, photos)
    content = make(index).of(ids_by_name(index)["noise.png"])
    assert content == thumbnail(file.read_bytes(), SIDE, kind="WEBP", quality=quality)
    assert len(content) <= MAX_BYTES


def test_a_thumbnail_and_a_date_belong_to_each_vector() -> None:
    dates = np.array(["2020-01-02", "NaT", "2021-03-04"], "M8[s]")
    data = np.frombuffer(b"aabbbc", np.uint8)
    found = Thumbnails(np.array([3, 5, 8]), np.array([2, 5, 6]), dates, data)
    assert [found.of(id) for id in range(10)] == [
        *(None, None, None, b"aa", None, b"bbb", None, None, b"c", None)
    ]
    taken = found.taken(np.array([8, 2, 3, 9, 5, 8]))
    expected = np.array(["2021-03-04", "NaT", "2020-01-02", "NaT", "NaT", "2021-03-04"], "M8[s]")
    assert taken.dtype == expected.dtype and np.array_equal(taken, expected, equal_nan=True)
    assert np.isnat(NO_THUMBNAILS.taken(np.array([1, 2]))).all() and NO_THUMBNAILS.of(1) is None


def test_each_part_is_saved_and_each_vector_reported(
    index: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six vectors, of which the third has no file any more, in parts of two."""
    monkeypatch.setattr(thumbnails, "BATCH", 2)
    reports, parts = Reports(), []
    publish = thumbnails._publish

    def recorded(*given: Any) -> Thumbnails:
        parts.append(sorted(given[3]))
        return publish(*given)

    monkeypatch.setattr(thumbnails, "_publish", recorded)
    ids = ids_by_name(index)
    order = sorted({*ids.values()})
    [name] = [name for name, id in ids.items() if id == order[2]]
    (photos / name).unlink()
    with Writer(index) as writer:
        found = make_thumbnails(writer, progress=reports)
    assert reports.calls == [("making thumbnails", done, 6) for done in range(1, 7)]
    assert parts == [order[:2], order[3:4], order[4:]]
    assert found.ids.tolist() == order[:2] + order[3:]


def test_new_images_are_added_without_decoding_old_ones(
    index: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = {id: make(index).of(id) for id in make(index).ids.tolist()}
    monkeypatch.setattr(thumbnails, "BATCH", 2)  # several parts, each published
    for seed in range(10, 15):
        save(photos / f"{seed}.png", picture(seed))
    run(index, photos)
    for old in photos.glob("?.png"):
        old.unlink()
    found = make(index)
    assert len(found.ids) == len(first) + 5
    assert {id: found.of(id) for id in first} == first
    with IndexReader(index) as reader:
        again = open_thumbnails(reader)
    assert [again.of(id) for id in found.ids.tolist()] == [
        found.of(id) for id in found.ids.tolist()
    ]


def test_a_dropped_image_takes_its_picture_along(index: Path, photos: Path) -> None:
    gone = ids_by_name(index)["3.png"]
    others = {id: make(index).of(id) for id in make(index).ids.tolist() if id != gone}
    (photos / "3.png").unlink()
    run(index, photos)
    found = make(index)
    assert found.of(gone) is None
    assert {id: found.of(id) for id in found.ids.tolist()} == others
    for file in photos.iterdir():
        if file.name != "0.png":
            file.unlink()
    run(index, photos)
    assert make(index).ids.tolist() == [ids_by_name(index)["0.png"]]


def test_a_file_that_is_gone_or_changed_has_none_until_it_is_back(
    index: Path, photos: Path
) -> None:
    ids = ids_by_name(index)
    (photos / "0.png").unlink()  # its copy serves
    one, two = (photos / "1.png").read_bytes(), (photos / "2.png").read_bytes()
    (photos / "1.png").unlink()
    (photos / "2.png").write_bytes(encoded(picture(77), "PNG"))
    found = make(index)
    assert set(ids.values()) - set(found.ids.tolist()) == {ids["1.png"], ids["2.png"]}
    (photos / "1.png").write_bytes(one)
    (photos / "2.png").write_bytes(two)
    assert set(make(index).ids.tolist()) == set(ids.values())


def test_nothing_new_writes_nothing_and_a_damaged_file_is_made_again(index: Path) -> None:
    found = make(index)
    before = {id: found.of(id) for id in found.ids.tolist()}
    [file] = (index / "derived").glob("thumbnails-*.bin")
    stamp = file.stat().st_mtime_ns
    make(index)
    assert file.stat().st_mtime_ns == stamp
    content = bytearray(file.read_bytes())
    content[-7] ^= 1
    file.write_bytes(content)
    with IndexReader(index) as reader:
        assert not open_thumbnails(reader).ids.size
    again = make(index)
    assert {id: again.of(id) for id in again.ids.tolist()} == before


def test_an_index_without_images_has_none(tmp_path: Path) -> None:
    make_index(tmp_path / "index")
    assert make(tmp_path / "index").ids.tolist() == []
