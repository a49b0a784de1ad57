"""A contact sheet of photos and their augmented copies, as the network sees them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from embedtool.core.atomic_files import atomic_write
from embedtool.core.types import PathLike
from embedtool.finetune.features import Photo, read_photo
from embedtool.finetune.settings import FinetuneSettings
from embedtool.images.augmentation import augment, copy_key
from embedtool.images.decode import decode_image

ROWS, COPIES = 10, 7  # photos, and copies of each, at most
GAP = 4  # white pixels


def write_sheet(
    photos: Sequence[Photo], path: PathLike, settings: FinetuneSettings, *, size: int
) -> None:
    """Write a PNG with a row for each of up to ROWS evenly spaced photos: the photo and its first
    augmented copies, exactly as training with these settings uses them."""
    copies = 0 if settings.augmentation.changes_nothing else min(settings.copies, COPIES)
    columns = 1 + copies
    spread = np.linspace(0, len(photos) - 1, ROWS).round().astype(int)
    chosen = [photos[n] for n in sorted(set(spread.tolist()))]
    step = size + GAP
    sheet = np.full((step * len(chosen) - GAP, step * columns - GAP, 3), 255, np.uint8)
    for row, photo in enumerate(chosen):
        pixels = decode_image(read_photo(photo), size)
        for column in range(columns):
            key = copy_key(photo.digest, column, seed=settings.seed)
            shown = augment(pixels, settings.augmentation, key=key) if column else pixels
            top, left = row * step, column * step
            sheet[top : top + size, left : left + size] = shown
    with atomic_write(Path(path)) as file:
        Image.fromarray(sheet).save(file, "PNG")
