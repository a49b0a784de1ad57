"""The photos of a run: held out, without leaks, and labelled by folder or table."""

import os
import shutil
from pathlib import Path

import pytest
from support.finetuning import dataset_of, save_photos
from support.pictures import picture, save

from embedtool.errors import (
    UsageError,
)
from embedtool.finetune.features import Photo


def test_no_training_photo_is_a_near_duplicate_of_a_test_photo(tmp_path: Path) -> None:
    """Copied whole, saved anew at half the size, and under another label."""
    photos = save_photos(tmp_path / "photos", one=5, two=5)
    (photos / "one" / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing")
    shutil.copytree(photos, tmp_path / "held")
    for name in ("one/4.jpg", "two/4.jpg", "one/bad.jpg"):
        (tmp_path / "held" / name).unlink()
    test_photos = save_photos(tmp_path / "test_photos", one=0, two=0)
    save(test_photos / "one" / "small.jpg", picture(0).resize((32, 24)))
    save(test_photos / "one" / "new.jpg", picture(900))
    (test_photos / "one" / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing")
    shutil.copy(photos / "one" / "3.jpg", test_photos / "one")
    (test_photos / "two").mkdir()
    shutil.copy(photos / "one" / "1.jpg", test_photos / "two")
    found = dataset_of(photos, test=test_photos)
    assert [photo_name(p) for p in found.training.photos if p.label == 0] == [
        "one/2.jpg",
        "one/4.jpg",
    ]
    assert len(found.training.photos) == len(found.groups) == 7
    assert len(found.test.photos) == 4
    left_out = "training photos that are near-duplicates of validation or test photos were left out"
    assert f"{left_out}: 3" in found.notes
    assert sorted(reject.path.parent.parent.name for reject in found.rejects) == [
        "photos", "test_photos"
    ]  # fmt: skip
    with pytest.raises(
        UsageError,
        match=r"0 one, 0 two; training photos that are .* left out: 10; photos rejected: 1",
    ):
        dataset_of(photos, test=photos)


def test_no_validation_photo_is_a_test_photo(tmp_path: Path) -> None:
    photos = save_photos(tmp_path / "photos", one=6, two=6)
    for role, numbers in (("held", (0, 1)), ("test_photos", (1, 2))):
        for kind in ("one", "two"):
            (tmp_path / role / kind).mkdir(parents=True)
            for n in numbers:
                shutil.copy(photos / kind / f"{n}.jpg", tmp_path / role / kind)
    found = dataset_of(photos, validation=tmp_path / "held", test=tmp_path / "test_photos")
    names = {
        kind: sorted(map(photo_name, getattr(found, kind).photos))
        for kind in ("validation", "test")
    }
    assert names["validation"] == ["one/0.jpg", "two/0.jpg"]
    assert names["test"] == ["one/1.jpg", "one/2.jpg", "two/1.jpg", "two/2.jpg"]
    assert len(found.training.photos) == 6
    assert (
        "validation photos that are near-duplicates of test photos were left out: 2" in found.notes
    )


@pytest.mark.parametrize(("share", "held"), [(0.1, 2), (0.25, 5), (0.4, 8), (0.5, 10)])
def test_the_share_that_is_held_out(share: float, held: int, tmp_path: Path) -> None:
    found = dataset_of(save_photos(tmp_path / "photos", one=10, two=10), share=share)
    assert (len(found.training.photos), len(found.validation.photos)) == (20 - held, held)


def test_a_table_of_labels(tmp_path: Path) -> None:
    """What it says nothing of has the names of its folders, or no class; one path is one photo."""
    photos = save_photos(tmp_path / "photos", all=7)
    test_photos = save_photos(tmp_path / "test_photos", cat=0, dog=0)
    for n, kind in enumerate(("cat", "dog")):
        save(test_photos / kind / f"new {n}.jpg", picture(700 + n))
    table = tmp_path / "labels.csv"
    kinds = ("cat", "dog", "cat", "dog", "cat")
    lines = [f"all/{n}.jpg,{kind}" for n, kind in enumerate(kinds)]
    lines += ["photos/all/5.jpg,cat", "all/5.jpg,dog", "all/99.jpg,dog"]
    table.write_text("\n".join(["path,label", *lines]) + "\n")
    found = dataset_of(photos, labels=table, test=test_photos)
    assert found.classes == ("cat", "dog")
    assert [(photo_name(p), p.label) for p in found.training.photos] == [
        (f"all/{n}.jpg", ("cat", "dog").index(kind)) for n, kind in enumerate(kinds)
    ]
    assert [(photo_name(p), p.label) for p in found.test.photos] == [
        ("cat/new 0.jpg", 0),
        ("dog/new 1.jpg", 1),
    ]
    assert found.notes == (
        f"1 paths in {table} are not among the photos, the first is 'all/99.jpg'",
        "1 of 7 training photos have no label",
        "1 training photos have several labels and were left out",
        f"{table} has no test photos: the names of their folders are their classes",
    )
    save(test_photos / "all" / "1.jpg", picture(703))
    with pytest.raises(
        UsageError, match=r"'all/1.jpg' matches .*/photos/all/1.jpg and .*/test_photos/all"
    ):
        dataset_of(photos, labels=table, test=test_photos)
    table.write_text("path,label\nnowhere.jpg,cat\n")
    with pytest.raises(UsageError, match=r"photos in .*labels.csv, received none; 1 paths"):
        dataset_of(photos, labels=table)


def photo_name(photo: Photo) -> str:
    return os.fsdecode(photo.source.path)
