"""Golden pictures: three small built-in reference images.

Each index stores their vectors, so that `doctor` can check that this machine computes the same.
After a model is compiled, its vectors of these images are compared with those of Keras. They cover
all steps of decoding: a rotated JPEG, a transparent PNG, a greyscale JPEG.
"""

from pathlib import Path

import numpy as np

from embedtool.core.types import Pixels
from embedtool.images.decode import decode_image

NAMES = ("turned.jpg", "transparent.png", "grey.jpg")


def pixels(size: int) -> Pixels:
    """Return the reference images as decoded by `decode_image`, uint8 (3, size, size, 3)."""
    folder = Path(__file__).parent / "golden_pictures"
    return np.stack([decode_image((folder / name).read_bytes(), size) for name in NAMES])
