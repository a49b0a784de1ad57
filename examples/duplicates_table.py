"""What `find_duplicates` finds of copies made of your own photos, kind by kind, and what is wrong.

python examples/duplicates_table.py PHOTOS [--each 30] [--model mobilenet_v2]

Copies of --each random photos are made in every way of COPIES, in a temporary folder, and indexed
beside the photos. found: the share of copies in a group with their original, near-identical or
edited. near-identical: the share in a near-identical group with it. precision: of all pairs of a
kept photo and another, those of one original. Pairs of two originals are printed: look at them,
they may be duplicates that your photos hold already.
"""

import argparse
import random
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

import embedtool
from embedtool.duplicates.results import DuplicateGroup

Change = Callable[[Image.Image], Image.Image]


def resized(image: Image.Image, ratio: float) -> Image.Image:
    return image.resize((round(image.width * ratio), round(image.height * ratio)))


def cropped(image: Image.Image, share: float) -> Image.Image:  # off every side
    return ImageOps.crop(image, (*2 * (round(image.width * share), round(image.height * share)),))


def corner(image: Image.Image, share: float) -> Image.Image:  # the same area, off two sides only
    width, height = image.width * (1 - 2 * share), image.height * (1 - 2 * share)
    return image.crop((0, 0, round(width), round(height)))


def brightened(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


def turned(image: Image.Image, degrees: float) -> Image.Image:
    return image.rotate(degrees, Image.Resampling.BICUBIC)


SCALES = (0.3, 0.5, 0.75, 1.5, 2)
COPIES: dict[str, tuple[Change, str, int | None]] = {  # name -> (what is done, format, quality)
    **{f"JPEG quality {q}": (Image.Image.copy, "jpg", q) for q in (40, 60, 75, 90)},
    "PNG": (Image.Image.copy, "png", None),
    "WebP quality 50": (Image.Image.copy, "webp", 50),
    **{f"resized {r}x": (partial(resized, ratio=r), "jpg", 85) for r in SCALES},
    **{f"cropped {s:.0%} a side": (partial(cropped, share=s), "jpg", 88) for s in (0.02, 0.05)},
    "cropped 4% off two sides": (partial(corner, share=0.02), "jpg", 88),
    "half size, cropped 3% a side, quality 60": (
        lambda image: cropped(resized(image, 0.5), 0.03), "jpg", 60
    ),
    "cropped 10% a side": (partial(cropped, share=0.1), "jpg", 88),
    "cropped 20% off two sides": (partial(corner, share=0.1), "jpg", 88),
    **{f"brightness {b}": (partial(brightened, factor=b), "jpg", 88) for b in (0.8, 1.2)},
    "contrast 1.25": (lambda image: ImageEnhance.Contrast(image).enhance(1.25), "jpg", 88),
    **{f"turned {d} degrees": (partial(turned, degrees=d), "jpg", 88) for d in (1, 2, 5)},
    "grey": (lambda image: image.convert("L"), "jpg", 88),
    "mirrored": (ImageOps.mirror, "jpg", 88),
    "turned 90 degrees": (lambda i: i.transpose(Image.Transpose.ROTATE_90), "jpg", 88),
}  # fmt: skip
NEAR = list(COPIES)[:11]  # re-encoded or resized: what "near-identical" means
LIGHT = list(COPIES)[:15]  # lightly cropped too

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("--each", type=int, default=30)
    parser.add_argument("--model", default="mobilenet_v2")
    options = parser.parse_args()
    generator = random.Random(0)
    folder = Path(tempfile.mkdtemp())
    report = embedtool.index_photos(options.photos, index=folder / "index", model=options.model)
    first: dict[bytes, Path] = {}  # the first photo of each vector
    with embedtool.open(report.index) as index:
        origin = {
            path: first.setdefault(row.tobytes(), path)
            for path, row in zip(*index.vectors(), strict=True)
        }
    photos = list(first.values())
    copies: dict[str, list[Path]] = {}
    for name, (change, kind, quality) in COPIES.items():
        for number, photo in enumerate(generator.sample(photos, min(options.each, len(photos)))):
            copy = folder / "copies" / name.replace("%", "") / f"{number:03}.{kind}"
            copy.parent.mkdir(parents=True, exist_ok=True)
            image = ImageOps.exif_transpose(Image.open(photo)).convert("RGB")
            options_of_format = {"quality": quality} if quality else {}
            change(image).save(copy, None, **options_of_format)
            copies.setdefault(name, []).append(copy)
            origin[copy] = photo
    embedtool.index_photos([options.photos, folder / "copies"], index=report.index)
    found = embedtool.find_duplicates(report.index)
    groups = [group for group in found.groups if group.kind in ("near-identical", "edited")]
    near = [group for group in groups if group.kind == "near-identical"]

    def found_share(names: list[str], among: list[DuplicateGroup]) -> str:
        """Return the share of these copies whose group, or that of its kept photo, has the
        original."""
        kept = {path: group.keep for group in among for path in group.paths[1:]}

        def first(path: Path) -> Path:
            return first(kept[path]) if path in kept else path

        own = [first(copy) == first(origin[copy]) for name in names for copy in copies[name]]
        return f"{sum(own) / len(own):.4f} of {len(own)}"

    pairs = [(group.keep, path) for group in groups for path in group.paths[1:]]
    wrong = [pair for pair in pairs if origin[pair[0]] != origin[pair[1]]]
    print(f"{'copies':42}  found  near-identical, of {options.each}")
    for name in copies:
        shares = [found_share([name], among)[:5] for among in (groups, near)]
        print(
            f"{name:42}  {'  '.join(shares)}{'' if name in LIGHT else '  (beyond a re-encoding)'}"
        )
    print(f"re-encoded, resized, lightly cropped: {found_share(LIGHT, groups)}")
    print(f"re-encoded or resized, near-identical: {found_share(NEAR, near)}")
    print(f"changed, near-identical: {found_share([n for n in copies if n not in NEAR], near)}")
    print(f"precision: {1 - len(wrong) / max(len(pairs), 1):.4f} of {len(pairs)} pairs")
    for keep, path in wrong:
        print(f"two originals: {keep} {path}")
