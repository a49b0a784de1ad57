"""Photos with duplicates among them, and what is found."""

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageOps
from support.indexes import make_index, run
from support.pictures import copied, crop, save, scene

from embedtool import find_duplicates
from embedtool.collection.index_photos import index_photos
from embedtool.duplicates.results import Duplicates

ORIGINALS = ("city/city-01.jpg", "fish/fish-01.jpg", "flower/flower-01.jpg")


@pytest.fixture
def photos(drawn: Path, tmp_path: Path) -> Path:
    """The drawn pictures; of three a smaller, a coarser and a cropped version beside them."""
    folder = Path(shutil.copytree(drawn, tmp_path / "photos"))
    shutil.rmtree(folder / "brick wall")  # two of these are one wall, shifted: taken for crops
    (folder / "again").mkdir()
    for name in ORIGINALS:
        picture = Image.open(folder / name)
        stem = folder / "again" / Path(name).stem
        picture.resize((160, 120)).save(f"{stem} small.png")
        picture.save(f"{stem} coarse.jpg", quality=50)
        ImageOps.crop(picture, 6).save(f"{stem} cropped.webp", quality=85)
    return folder


@pytest.fixture
def originals(photos: Path) -> set[Path]:
    """Those of which there are other versions."""
    return {photos / name for name in ORIGINALS}


@pytest.fixture
def found(photos: Path, tmp_path: Path) -> Duplicates:
    make_index(tmp_path / "index")
    run(tmp_path / "index", photos)
    return find_duplicates(tmp_path / "index")


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Ten scenes; of the first a copy, a small one and a crop, of the second a later copy."""
    photos = tmp_path / "photos"
    for number in range(10):
        save(photos / "a" / f"{number}.jpg", scene(number), quality=92)
    copied(photos / "a" / "0.jpg", photos / "b" / "copy of 0.jpg")
    save(photos / "b" / "small 0.jpg", scene(0).resize((240, 180)), quality=80)
    save(photos / "b" / "crop of 0.png", crop(scene(0), 0.04))
    later = copied(photos / "a" / "1.jpg", photos / "b" / "1.jpg")
    os.utime(later, (1_700_000_000, 1_700_000_000))
    return photos


@pytest.fixture
def scenes_index(scenes: Path) -> Path:
    return index_photos(scenes, index=scenes.parent / "index", model="builtin").index
