"""Draw hundreds of pictures of several kinds, without a download."""

from pathlib import Path

import numpy as np
from PIL import Image

from embedtool.core.atomic_files import atomic_write
from embedtool.core.types import PathLike
from embedtool.errors import UsageError
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
        if place.is_symlink():
            raise UsageError(f"expected no link in {folder}, but {place} is one: choose another")
        for number in range(1, per_kind + 1):
            _save(draw(random), place / f"{kind}-{number:02}", 1 if jpeg_only else number)
    if jpeg_only:
        return per_kind * len(KINDS)
    whole = (folder / "sunset" / "sunset-01.jpg").read_bytes()
    for name, data in (("copy of sunset-01.jpg", whole), ("cut off.jpg", whole[: len(whole) // 2])):
        with atomic_write(folder / "sunset" / name) as file:  # replaces a link, and follows none
            file.write(data)
    return per_kind * len(KINDS) + 2


def draw_queries(folder: PathLike, *, seed: int = 1) -> list[Path]:
    """Draw one picture of every kind, none of which `draw_photos` draws, and return the paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    return [_save(draw(random), folder / kind, 1) for kind, draw in KINDS.items()]


def _save(picture: Image.Image, stem: Path, number: int) -> Path:
    suffix, kind, options = ".jpg", "JPEG", {"quality": 88}
    exif = Image.Exif()
    if number % 10 == 4:
        suffix, kind, options = ".png", "PNG", {}
    elif number % 10 == 7:
        suffix, kind, options = ".webp", "WEBP", {"quality": 85}
    elif number % 10 == 9:  # as a camera stores a photo in portrait orientation
        suffix = ".JPG"
        exif[EXIF_ORIENTATION] = 6
        picture = picture.transpose(Image.Transpose.ROTATE_90)
    path = stem.with_name(stem.name + suffix)
    with atomic_write(path) as file:
        picture.save(file, kind, **options, **({"exif": exif} if exif else {}))
    return path
