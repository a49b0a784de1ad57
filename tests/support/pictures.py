"""Pictures made for tests, and where they are written."""

import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

TURNS = {  # EXIF orientation -> how the stored picture came from the upright one
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def picture(seed: int, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """A smooth picture that no other seed gives."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC)


def scene(seed: int, size: tuple[int, int] = (480, 360)) -> Image.Image:
    """A picture with detail at many scales, as photos have, that no other seed gives."""
    random = np.random.default_rng(seed)
    total = np.zeros((size[1], size[0], 3), np.float32)
    for side, weight in ((4, 1.0), (9, 0.7), (20, 0.5), (45, 0.3)):
        noise = random.integers(0, 256, (side * 3 // 4 + 1, side, 3), dtype=np.uint8)
        layer = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
        total += weight * np.asarray(layer, np.float32)
    return Image.fromarray((total / 2.5).astype(np.uint8))


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def save(path: Path, image: Image.Image, *, date: int = 1_600_000_000, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    os.utime(path, (date, date))
    return path


def copied(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
    return target


def crop(image: Image.Image, share: float) -> Image.Image:
    return ImageOps.crop(image, (*2 * (round(image.width * share), round(image.height * share)),))


def with_orientation(image: Image.Image, turn: int, kind: str) -> bytes:
    method = TURNS[turn]
    stored = image if method is None else image.transpose(method)
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {"lossless": True} if kind == "WEBP" else {}
    return encoded(stored, kind, exif=exif, **options)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six pictures, a copy of one in a folder of its own, and a broken file."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for seed in range(6):
        (folder / f"{seed}.png").write_bytes(encoded(picture(seed), "PNG"))
    (folder / "sub" / "copy of 0.png").write_bytes(encoded(picture(0), "PNG"))
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff broken")
    return folder
