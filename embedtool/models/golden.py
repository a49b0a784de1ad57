"""Three small pictures that every model is tried on: after compiling, and by `doctor`.

They cross the whole pixel contract: a turned JPEG, a transparent PNG, a greyscale JPEG.
"""

from pathlib import Path

import numpy as np

from embedtool.core.types import Pixels
from embedtool.images.decode import decode_image

NAMES = ("turned.jpg", "transparent.png", "grey.jpg")


def pixels(size: int) -> Pixels:
    """The golden pictures through `decode_image`, uint8 (3, size, size, 3)."""
    folder = Path(__file__).parent / "golden_pictures"
    return np.stack([decode_image((folder / name).read_bytes(), size) for name in NAMES])
