"""Augmentation: random rotation, shift, shear, zoom, flip and colour changes of images.

It works on decoded pixels and resamples once. The changes depend only on the key of an image, not
on earlier draws or on the thread.
"""

import hashlib
import math
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageStat

from embedtool.core.types import Pixels
from embedtool.errors import UsageError

FILLS = {"nearest": "edge", "reflect": "reflect", "black": "constant"}  # our name -> numpy's
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
LIMITS = {  # beyond these, an image can no longer be recognised
    "rotation": 180.0,
    "width_shift": 0.5,
    "height_shift": 0.5,
    "shear": 60.0,
    "zoom": 0.7,
    "colour": 0.9,
}


@dataclass(frozen=True)
class Augmentation:
    """The largest change of each kind, in either direction; 0 disables it. Draws are uniform."""

    rotation: float = 15.0  # degrees
    width_shift: float = 0.1  # share of the side
    height_shift: float = 0.1
    shear: float = 5.0  # degrees
    zoom: float = 0.15  # 0.15: from 0.85 to 1.15 times as large
    flip: bool = True  # mirror half of the images, left to right
    colour: float = 0.2  # brightness, contrast and saturation; 0.2: from 0.8 to 1.2 times
    fill: str = "nearest"  # what fills the area beyond the edge of the image

    def __post_init__(self) -> None:
        for name, most in LIMITS.items():
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise UsageError(f"expected {name} from 0 to {most:g}, received {value}")
        if self.fill not in FILLS:
            raise UsageError(
                f"expected fill to be one of {', '.join(FILLS)}; received {self.fill!r}"
            )

    @property
    def changes_nothing(self) -> bool:
        return not any(getattr(self, f.name) for f in fields(self) if f.name != "fill")


NONE = Augmentation(
    rotation=0, width_shift=0, height_shift=0, shear=0, zoom=0, flip=False, colour=0
)


def copy_key(digest: bytes, copy: int, *, seed: int) -> bytes:
    """Return the key of one copy of an image. digest: the SHA-256 of its file."""
    return hashlib.sha256(b"%d %d " % (seed, copy) + digest).digest()


def augment(pixels: Pixels, by: Augmentation, *, key: bytes) -> Pixels:
    """Return a variant of an image, uint8 (s, s, 3) -> uint8 (s, s, 3), determined by `key`."""
    # The stream of RandomState is frozen; that of Generator may change between numpy versions.
    random = np.random.RandomState(np.frombuffer(key, "<u4"))
    # Always draw all numbers, so that disabling one change does not affect the others.
    angle, right, down, shear, zoom, light, contrast, saturation = random.uniform(-1, 1, 8)
    mirrored = by.flip and random.uniform() < 0.5
    side = pixels.shape[0]
    inverse = _inverse(
        angle=math.radians(angle * by.rotation),
        shear=math.radians(shear * by.shear),
        zoom=1 + zoom * by.zoom,
        mirrored=mirrored,
    )
    offset = side * np.array([right * by.width_shift, down * by.height_shift])
    picture = _resampled(pixels, inverse, offset, by.fill)
    if by.colour:
        light, contrast, saturation = 1 + by.colour * np.array([light, contrast, saturation])
        [mean] = ImageStat.Stat(picture.convert("L")).mean
        picture = picture.convert("RGB", _colour_matrix(light, contrast, saturation, mean))
    return np.asarray(picture)


def _inverse(*, angle: float, shear: float, zoom: float, mirrored: bool) -> npt.NDArray[np.float64]:
    """Return the matrix (2, 2) that maps offsets from the variant's centre to the image's."""
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    slant = np.array([[1.0, math.tan(shear)], [0.0, 1.0]])
    mirror = np.diag([-1.0 if mirrored else 1.0, 1.0])
    inverse: npt.NDArray[np.float64] = np.linalg.inv(turn @ slant @ mirror * zoom)
    return inverse


def _resampled(
    pixels: Pixels, inverse: npt.NDArray[np.float64], offset: npt.NDArray[np.float64], fill: str
) -> Image.Image:
    """Return the variant, resampled bilinearly from an image padded as far as its corners reach."""
    side = pixels.shape[0]
    half = side / 2
    corners = inverse @ (half * np.array([[-1, -1, 1, 1], [-1, 1, -1, 1]]) - offset[:, None])
    margin = max(0, math.ceil(np.abs(corners).max() - half) + 1)
    wide = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), FILLS[fill])  # type: ignore[call-overload]
    # Pillow needs the source of each pixel's centre: source = inverse (here - offset - centre).
    shift = half + margin - inverse @ (offset + half)
    affine = (*inverse[0], shift[0], *inverse[1], shift[1])
    return Image.fromarray(wide).transform(
        (side, side), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR
    )


def _colour_matrix(
    light: float, contrast: float, saturation: float, mean: float
) -> tuple[float, ...]:
    """Return Pillow's 12 coefficients for saturation, contrast around the mean, and brightness."""
    mixed = saturation * np.eye(3) + (1 - saturation) * LUMA[None, :].repeat(3, 0)
    matrix = np.hstack([light * contrast * mixed, np.full((3, 1), light * (1 - contrast) * mean)])
    return tuple(float(value) for value in matrix.ravel())
