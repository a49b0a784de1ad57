"""Draw hundreds of pictures of several kinds, without a download."""

from pathlib import Path

import numpy as np
from PIL import Image

from embedtool.core.types import PathLike
from embedtool.images.drawn_kinds import KINDS
from embedtool.images.orientation import EXIF_ORIENTATION

PER_KIND = 30


def draw_photos(
    folder: PathLike, *, seed: int = 0, per_kind: int = PER_KIND, jpeg_only: bool = False
) -> int:
    """Draw pictures of twelve kinds into folder/<kind>/, and return the number of files.

    per_kind: the number of pictures of each kind. Some have an EXIF rotation, and some are PNG or
    WebP. Two extra files are added, a byte-for-byte copy of a picture and a truncated file, so that
    a first index run shows how it handles such files.

    jpeg_only: write every picture as a JPEG without a rotation, and leave out the two extra files.

    >>> embedtool.draw_photos("more photos", per_kind=2)
    26
    """
    folder = Path(folder)
    random = np.random.default_rng(seed)
    for kind, draw in KINDS.items():
        place = folder / kind
        place.mkdir(parents=True, exist_ok=True)
        for number in range(1, per_kind + 1):
            _save(draw(random), place / f"{kind}-{number:02}", 1 if jpeg_only else number)
    if jpeg_only:
        return per_kind * len(KINDS)
    whole = (folder / "sunset" / "sunset-01.jpg").read_bytes()
    (folder / "sunset" / "copy of sunset-01.jpg").write_bytes(whole)
    (folder / "sunset" / "cut off.jpg").write_bytes(whole[: len(whole) // 2])
    return per_kind * len(KINDS) + 2


def draw_queries(folder: PathLike, *, seed: int = 1) -> list[Path]:
    """Draw one picture of every kind, none of which `draw_photos` draws, and return the paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    return [_save(draw(random), folder / kind, 1) for kind, draw in KINDS.items()]


def _save(picture: Image.Image, stem: Path, number: int) -> Path:
    if number % 10 == 4:
        path = stem.with_name(stem.name + ".png")
        picture.save(path)
    elif number % 10 == 7:
        path = stem.with_name(stem.name + ".webp")
        picture.save(path, quality=85)
    elif number % 10 == 9:  # as a camera stores a photo in portrait orientation
        path = stem.with_name(stem.name + ".JPG")
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = 6
        picture.transpose(Image.Transpose.ROTATE_90).save(path, "JPEG", quality=88, exif=exif)
    else:
        path = stem.with_name(stem.name + ".jpg")
        picture.save(path, quality=88)
    return path
