"""Decide whether one of two images of a picture was edited: by a crop, a turn, a filter, a caption.

Both whole images are stretched to one square. A re-encoding or a resize then leaves each part where
it was and much as it was. So the images are registered, which measures a crop or a turn, and
compared at several scales. Noise of an encoder is strong in single pixels and weak in averages; a
filter changes the averages too. A difference counts only beyond the contrast around it, because a
resize blurs edges. Colour has wider tolerances, because encoders store it coarsely.

docs/measurements.md says which edits are found. One that changes less than a re-encoding does, such
as sharpening, is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Pixels
from embedtool.duplicates.image_registration import Grey, downsample, refine

WHOLE_SIDE = 128  # the side of the square
SMALLEST_SIDE = 32
STEPS = 8  # of the registration
MAX_SHIFT = 0.45  # pixels of a corner; a crop of 0.5 % on each side moves it by 0.64
MAX_MEAN = (1.0, 2.5)  # brightness, colour: the difference of the averages of the whole images
# The same of single places, at full resolution and at each half of it. The clothing photos at JPEG
# quality 20 stay below.
TOLERANCES = ((7, 30), (3.5, 20), (2.5, 10), (1.5, 6.5), (1, 5.5))
IGNORED_CONTRAST = 0.5  # share of the contrast around a place that a difference there may have
CHANNELS = np.array([[0.3, 0.6, 0.1], [1, -1, 0], [-0.5, -0.5, 1]], np.float32)  # from red, g, b


@dataclass(frozen=True)
class WholeImage:
    """A whole image, upright, stretched to uint8 (128, 128, 3), and its shorter side in pixels."""

    pixels: Pixels
    shorter_side: int


def are_edited(first: Sequence[WholeImage], second: Sequence[WholeImage]) -> npt.NDArray[np.bool_]:
    """Return whether the images of each pair (n,), which show one picture, differ by an edit."""
    edited = np.zeros(len(first), np.bool_)
    sides = np.array([_side(*pair) for pair in zip(first, second, strict=True)])
    for side in np.unique(sides).tolist():
        own = np.flatnonzero(sides == side)
        one, two = (
            _channels([images[i] for i in own.tolist()], side) for images in (first, second)
        )
        edited[own] = _shifts(one[:, 0], two[:, 0]) > MAX_SHIFT
        edited[own] |= _tones_differ(one, two)
    return edited


def _side(one: WholeImage, other: WholeImage) -> int:
    """Return the side at which both images still have all their detail, halved."""
    side = WHOLE_SIDE
    while side > SMALLEST_SIDE and 2 * side > min(one.shorter_side, other.shorter_side):
        side //= 2
    return side


def _channels(images: Sequence[WholeImage], side: int) -> Grey:
    """Return brightness, red against green, and blue against both, as (n, 3, side, side)."""
    pixels = np.stack([image.pixels for image in images]).astype(np.float32)
    return downsample(np.einsum("cr,nyxr->ncyx", CHANNELS, pixels), side)


def _shifts(first: Grey, second: Grey) -> Grey:
    """Register images (n, s, s) and return by how many pixels a corner moves at most (n,)."""
    n, side, _ = first.shape
    start = np.tile(np.eye(3, dtype=np.float32), (n, 1, 1))
    change = refine(first, second, start, STEPS) - start
    return largest_shift(change[:, :2], side)


def largest_shift(changes: Grey, side: int) -> Grey:
    """Return by how many pixels (n,) of a side a corner moves at most, if transforms change so
    (n, 2, 3)."""
    corners = np.array([[-1, -1, 1, 1], [-1, 1, -1, 1], [1, 1, 1, 1]], np.float32)
    moved: Grey = np.abs(changes @ corners).max((1, 2)) * side / 2
    return moved


def _tones_differ(first: Grey, second: Grey) -> npt.NDArray[np.bool_]:
    """Return whether brightness or colour differ somewhere, beyond the tolerances (n,)."""
    means = np.abs((first - second).mean((2, 3)))
    differ: npt.NDArray[np.bool_] = (means > by_channel(MAX_MEAN)).any(1)
    for tolerances in TOLERANCES:
        if first.shape[-1] < 8:
            break
        contrast = np.minimum(contrast_of(first), contrast_of(second))
        excess = np.abs(first - second) - IGNORED_CONTRAST * contrast
        differ |= (excess.max((2, 3)) > by_channel(tolerances)).any(1)
        first, second = (downsample(images, first.shape[-1] // 2) for images in (first, second))
    return differ


def by_channel(values: tuple[float, float]) -> npt.NDArray[np.float32]:
    return np.array([values[0], values[1], values[1]], np.float32)


def contrast_of(images: Grey) -> Grey:
    """Return the highest less the lowest value of the 3 x 3 pixels around each."""
    high = low = images
    for axis in (-2, -1):
        margin = [(0, 0)] * images.ndim
        margin[axis] = (1, 1)
        parts = [np.moveaxis(np.pad(values, margin, "edge"), axis, 0) for values in (high, low)]
        high, low = (
            np.moveaxis(extreme(extreme(part[:-2], part[1:-1]), part[2:]), 0, axis)
            for extreme, part in zip((np.maximum, np.minimum), parts, strict=True)
        )
    return high - low
