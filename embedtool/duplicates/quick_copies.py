"""Recognise the copies of one image quickly, each from one small decode.

A full comparison of two images takes ten times as long as to decode one of them. Of thousands of
re-encodings of one image, most are so close to it that their difference alone, d, is enough. The
test of an edit allows less with fewer tolerances. One step of the registration, which is linear in
d, moves no corner. And vectors a and a + e with |e| < |a| have at least the cosine
sqrt(1 - |e|^2 / |a|^2), so a small d leaves the correlations of detail and of colour high.

This test never says that two images differ; what it does not accept is compared in full.
"""

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Pixels
from embedtool.duplicates.image_registration import (
    MIN_CONTRAST,
    SHADING_BLURS,
    Grey,
    blurred,
    downsample,
    slopes_of,
)
from embedtool.duplicates.picture_edits import (
    CHANNELS,
    IGNORED_CONTRAST,
    MAX_MEAN,
    MAX_SHIFT,
    TOLERANCES,
    WHOLE_SIDE,
    by_channel,
    contrast_of,
    largest_shift,
)

STRICTER = 0.8  # of what the test of an edit allows
ENERGY = 0.15  # |e|^2 / |a|^2: a correlation of at least 0.92; the full comparison needs 0.9
COLOUR_SIDE = 16


class QuickCopies:
    """The copies of one image: pixels (128, 128, 3) of the whole of it, stretched."""

    def __init__(self, image: Pixels) -> None:
        self._planes = _planes(image[None])
        grey = self._planes.mean(1)
        fine = blurred(grey, 1)
        slopes, curvature = slopes_of(fine)
        steps = np.linalg.solve(curvature, slopes)[0] / max(fine.std(), MIN_CONTRAST)
        # The registration compares blurred images. To blur its steps instead is the same.
        self._steps = blurred(steps.reshape(6, WHOLE_SIDE, WHOLE_SIDE), 1).reshape(6, -1)
        detail = fine - blurred(fine, SHADING_BLURS)
        self._detail = min(_energy(detail)[0], _energy(_centre(detail))[0])
        colour = downsample(self._planes, COLOUR_SIDE)
        self._colour = _energy(colour - colour.mean())[0]
        self._limits = []
        channels = _channels(self._planes)
        for tolerances in TOLERANCES:
            ignored = IGNORED_CONTRAST * contrast_of(channels)
            self._limits.append(STRICTER * (by_channel(tolerances)[:, None, None] + ignored))
            channels = downsample(channels, channels.shape[-1] // 2)

    def among(self, images: Pixels) -> npt.NDArray[np.bool_]:
        """Return which of these images (n, 128, 128, 3) surely are unedited copies (n,)."""
        planes = _planes(images) - self._planes
        grey = planes.mean(1)
        moves = (grey - grey.mean((1, 2), keepdims=True)).reshape(len(grey), -1) @ self._steps.T
        found: npt.NDArray[np.bool_] = (
            largest_shift(moves.reshape(-1, 2, 3), WHOLE_SIDE) <= STRICTER * MAX_SHIFT
        )
        found &= min(self._detail, self._colour) >= MIN_CONTRAST**2
        # The blur of the detail takes more from d than this average of 2 x 2 pixels.
        grey = downsample(grey, WHOLE_SIDE // 2)
        found &= np.maximum(_energy(grey), _energy(_centre(grey))) <= ENERGY * self._detail
        found &= _energy(downsample(planes, COLOUR_SIDE)) <= ENERGY * self._colour
        channels = _channels(planes)
        found &= (np.abs(channels.mean((2, 3))) <= STRICTER * by_channel(MAX_MEAN)).all(1)
        for limits in self._limits:
            found &= (np.abs(channels) <= limits).all((1, 2, 3))
            channels = downsample(channels, channels.shape[-1] // 2)
        return found


def _planes(images: Pixels) -> Grey:
    """Return images (n, s, s, 3) as red, green and blue (n, 3, s, s)."""
    return np.ascontiguousarray(np.moveaxis(images, 3, 1)).astype(np.float32)


def _channels(planes: Grey) -> Grey:
    channels: Grey = np.matmul(CHANNELS, planes.reshape(*planes.shape[:2], -1))
    return channels.reshape(planes.shape)


def _centre(images: Grey) -> Grey:
    """Return the middle of images (n, s, s), where a picture may have less detail."""
    quarter = images.shape[1] // 4
    return images[:, quarter:-quarter, quarter:-quarter]


def _energy(images: Grey) -> Grey:
    """Return the mean square of each image (n, ...)."""
    flat = images.reshape(len(images), -1)
    energy: Grey = np.einsum("np,np->n", flat, flat) / flat.shape[1]
    return energy
