"""Write altered copies of photos as JPEG files: more photos to measure with than there are.

python examples/altered_copies.py PHOTOS... --out FOLDER --ways mirror crop crop [--photos 500]

Each way is one folder of copies, with the subfolders of the photos. A crop is a random rectangle of
a quarter to three quarters of the area. The same photos give the same copies.
"""

import argparse
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageOps

from embedtool.core.paths import full_path
from embedtool.images.listing import list_photos

Change = Callable[[Image.Image, random.Random], Image.Image]


def whole(image: Image.Image, _: random.Random) -> Image.Image:
    return image


def crop(image: Image.Image, generator: random.Random) -> Image.Image:
    area, shape = generator.uniform(1 / 4, 3 / 4), generator.uniform(0.8, 1.25)
    width = min(1, (area * shape) ** 0.5) * image.width
    height = min(1, (area / shape) ** 0.5) * image.height
    left = generator.uniform(0, image.width - width)
    top = generator.uniform(0, image.height - height)
    return image.crop((round(left), round(top), round(left + width), round(top + height)))


WAYS: dict[str, tuple[Change, int]] = {  # name -> (what is done, JPEG quality)
    "whole": (whole, 95),
    "quality40": (whole, 40),
    "half": (lambda image, _: image.resize((image.width // 2, image.height // 2)), 90),
    "mirror": (lambda image, _: ImageOps.mirror(image), 90),
    "crop": (crop, 90),
}

parser = argparse.ArgumentParser()
parser.add_argument("photos", type=Path, nargs="+")
parser.add_argument("--out", type=Path, required=True)
parser.add_argument("--ways", choices=WAYS, nargs="+", required=True)
parser.add_argument("--photos", type=int, dest="count", help="only so many, drawn at random")
options = parser.parse_args()


def write_copies(photo: Path, name: Path) -> None:
    with Image.open(photo) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    for number, way in enumerate(options.ways):
        change, quality = WAYS[way]
        copy = options.out / f"{number}-{way}" / name.with_suffix(".jpg")
        copy.parent.mkdir(parents=True, exist_ok=True)
        change(image, random.Random(f"{number} {name}")).save(copy, quality=quality)


photos = [
    (path, root.name / path.relative_to(root.absolute()))
    for root in options.photos
    for path in (full_path(file.root, file.path) for file in list_photos([root]).files)
]
if options.count:
    photos = random.Random(0).sample(photos, options.count)
with ThreadPoolExecutor() as pool:
    list(pool.map(write_copies, *zip(*photos, strict=True)))
print(f"{len(photos)} photos, {len(photos) * len(options.ways)} copies in {options.out}")
