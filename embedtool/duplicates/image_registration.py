"""Decide whether two images show one picture, up to a re-encoding, a resize or a light crop.

The cosine of a network cannot decide this: two shirts on one red cloth are nearer to each other
than a photo is to its own small copy. So the images are registered, and their fine detail is
compared. First the central patch of one is matched in the other at a few scales. Then the transform
is refined up an image pyramid by the Lucas-Kanade method (Baker and Matthews, "Lucas-Kanade 20
Years On", IJCV 2004, inverse compositional, affine), and pairs that do not fit are dropped.

A transform is an affine float32 (3, 3) matrix in coordinates from -1 to 1 over an image. It maps a
point of the second image to the same point of the picture in the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from embedtool.core.types import Pixels

Grey = npt.NDArray[np.floating]  # (n, s, s) or (n, p), float32
Transforms = npt.NDArray[np.floating]  # (n, 3, 3), float32
DECODED_SIDE = 256  # side to decode to: averaging down from here removes differences of formats
FINE_SIDE, COARSE_SIDE, COLOUR_SIDE = 128, 32, 16  # of the images for detail, patches, colour
SCALES = (1, 0.95, 0.9, 0.85, 0.8)  # a crop of 10 % on each side leaves 0.8
PATCH_SIDE = 20  # the middle of the coarse image, which a light crop never removes
PYRAMID = ((32, 4), (64, 3), (128, 4))  # (side, steps) of each level, which starts within a pixel
MIN_PATCH_CORRELATION = 0.65  # two in a thousand lightly cropped copies are below it
MIN_LEVEL_CORRELATION = 0.65  # below it the next level is not tried
MIN_DETAIL_CORRELATION = 0.84  # at the last level; docs/measurements.md has the results
MIN_COLOUR_CORRELATION = 0.9  # the same shirt in red and in blue is not the same picture
MIN_OVERLAP = 0.5  # least share of either image that the other one shows
SHADING_BLURS = 5  # blurs after which only the shading is left
# OpenBLAS splits products over 2**18 among threads. For such small ones this is slower, and on a
# busy machine it can wait for seconds.
PANEL_COLUMNS = 16
MIN_CONTRAST = 0.5  # grey levels; a picture that varies less has no detail to compare


@dataclass(frozen=True)
class ReducedImage:
    """A reduced image: grey (128, 128) and colour (16, 16, 3), both uint8."""

    grey: npt.NDArray[np.uint8]
    colour: npt.NDArray[np.uint8]


def reduce_image(pixels: Pixels) -> ReducedImage:
    """Reduce the pixels (256, 256, 3) that `decode_image` returns."""
    channels = np.moveaxis(pixels, 2, 0).astype(np.float32)
    fine = downsample(channels, FINE_SIDE)
    colour = np.moveaxis(downsample(fine, COLOUR_SIDE), 0, 2)
    return ReducedImage(_bytes(fine.mean(0)), _bytes(colour))


def coarse_image(one: ReducedImage) -> npt.NDArray[np.uint8]:
    """Return the grey image (32, 32) whose patches are matched."""
    return _bytes(downsample(one.grey.astype(np.float32), COARSE_SIDE))


def centre_patches(coarse: npt.NDArray[np.uint8]) -> Grey:
    """Return the detail in the middle of images (n, 32, 32) at every scale, as unit rows
    (n, 5, 400)."""
    grey = coarse.astype(np.float32)
    found = np.empty((len(grey), len(SCALES), PATCH_SIDE * PATCH_SIDE), np.float32)
    for number, scale in enumerate(SCALES):
        side = round(COARSE_SIDE * scale)
        rows = slice((side - PATCH_SIDE) // 2, (side - PATCH_SIDE) // 2 + PATCH_SIDE)
        sharp = _blur_matrix(side, 1) @ _resize_matrix(COARSE_SIDE, side)
        soft = _blur_matrix(side, SHADING_BLURS) @ sharp
        detail = (sharp[rows] @ grey @ sharp[rows].T) - (soft[rows] @ grey @ soft[rows].T)
        flat = detail.reshape(len(grey), -1)
        flat = flat - flat.mean(1, keepdims=True)
        lengths = np.linalg.norm(flat, axis=1, keepdims=True)
        found[:, number] = flat / np.maximum(lengths, PATCH_SIDE * MIN_CONTRAST)
    return found


def match_patches(first: npt.NDArray[np.uint8], others: Grey) -> tuple[Grey, Transforms]:
    """Match the `centre_patches` (n, 5, 400) of n images in the image first (32, 32).

    Returns the highest correlations (n,) and the transforms (n, 3, 3) to where they were found.
    """
    n, size = len(others), PATCH_SIDE * PATCH_SIDE
    detail = _detail(first[None].astype(np.float32))[0]
    windows = sliding_window_view(detail, (PATCH_SIDE, PATCH_SIDE)).reshape(-1, size)
    # The patches have mean 0, so a window's mean is needed only for its spread.
    squares = np.einsum("wp,wp->w", windows, windows) - size * windows.mean(1) ** 2
    spread = np.sqrt(np.maximum(squares, (PATCH_SIDE * MIN_CONTRAST) ** 2))
    halves = np.array_split(windows, 2)  # see PANEL_COLUMNS
    found = np.concatenate([others @ half.T for half in halves], 2) / spread
    found = found.reshape(n, -1)
    where = found.argmax(1)
    number, window = np.divmod(where, len(windows))
    sides = np.array([round(COARSE_SIDE * scale) for scale in SCALES])[number]
    across = COARSE_SIDE - PATCH_SIDE + 1
    corners = np.stack([window % across, window // across], 1)
    offsets = corners - ((sides - PATCH_SIDE) // 2)[:, None]
    transforms = np.zeros((n, 3, 3), np.float32)
    transforms[:, 0, 0] = transforms[:, 1, 1] = sides / COARSE_SIDE
    transforms[:, :2, 2] = (sides[:, None] + 2 * offsets) / COARSE_SIDE - 1
    transforms[:, 2, 2] = 1
    return found[np.arange(n), where], transforms


def same_picture(
    first: Sequence[ReducedImage], second: Sequence[ReducedImage], transforms: Transforms
) -> npt.NDArray[np.bool_]:
    """Return whether the images of each pair show one picture (n,), refining these transforms."""
    one, two = (np.stack([p.grey for p in side]).astype(np.float32) for side in (first, second))
    left = np.arange(len(one))
    transforms = transforms.copy()
    for side, times in PYRAMID:
        if not left.size:
            break
        a, b = downsample(one[left], side), downsample(two[left], side)
        transforms[left] = refine(a, b, transforms[left], times)
        correlation, overlap = _correlation(_detail(a), _detail(b), transforms[left])
        needed = MIN_DETAIL_CORRELATION if side == FINE_SIDE else MIN_LEVEL_CORRELATION
        left = left[(correlation >= needed) & (overlap >= MIN_OVERLAP)]
    same = np.zeros(len(one), np.bool_)
    if left.size:
        same[left] = _colours_agree(first, second, transforms, left)
    return same


def _colours_agree(
    first: Sequence[ReducedImage],
    second: Sequence[ReducedImage],
    transforms: Transforms,
    left: npt.NDArray[np.int64],
) -> npt.NDArray[np.bool_]:
    """Return whether the colours agree, ignoring brightness and contrast. All channels are compared
    as one signal."""
    a, b = (
        np.moveaxis(np.stack([side[i].colour for i in left]).astype(np.float32), 3, 1)
        for side in (first, second)
    )
    n = len(left)
    matrices = np.repeat(transforms[left], 3, 0)
    warped, inside = _warp(a.reshape(3 * n, COLOUR_SIDE, COLOUR_SIDE), matrices)
    mask = inside.reshape(n, -1)
    ours = standardise(warped.reshape(n, -1), mask)
    theirs = standardise(b.reshape(n, -1), mask)
    needed = MIN_COLOUR_CORRELATION * mask.sum(1)
    agreement: npt.NDArray[np.bool_] = (ours * theirs).sum(1) >= needed
    return agreement


def refine(first: Grey, second: Grey, transforms: Transforms, times: int) -> Transforms:
    """Refine the registration of second (n, s, s) to first by Gauss-Newton steps."""
    n = len(first)
    first, second = blurred(first, 1), blurred(second, 1)
    slopes, curvature = slopes_of(second)
    flat = second.reshape(n, -1)
    for _ in range(times):
        warped, inside = _warp(first, transforms)
        error = standardise(warped, inside) - standardise(flat, inside)
        step = np.linalg.solve(curvature, np.einsum("nip,np->ni", slopes, error)[..., None])
        change = np.zeros((n, 3, 3), np.float32)
        change[:, :2] = step.reshape(n, 2, 3)
        change += np.eye(3, dtype=np.float32)
        # Skip a step that would fold the image.
        change[np.abs(np.linalg.det(change)) < 0.1] = np.eye(3)
        transforms = transforms @ np.linalg.inv(change)
    return transforms


def slopes_of(images: Grey) -> tuple[Grey, Grey]:
    """Return how blurred images (n, s, s), in units of their spread, change with each of the six
    values of a transform (n, 6, s * s), and the damped products of these changes (n, 6, 6)."""
    n, side, _ = images.shape
    x, y = _grid(side)
    spread = np.maximum(images.reshape(n, -1).std(1), MIN_CONTRAST)[:, None, None]
    down, right = (
        (slope / spread).reshape(n, -1) for slope in np.gradient(images, 2 / side, axis=(1, 2))
    )
    slopes = np.stack([right * x, right * y, right, down * x, down * y, down], 1)
    curvature = np.einsum("nip,njp->nij", slopes, slopes)
    damping = 1e-3 * np.trace(curvature, axis1=1, axis2=2) / 6 + 1e-6
    return slopes, curvature + damping[:, None, None] * np.eye(6, dtype=np.float32)


def _correlation(first: Grey, second: Grey, transforms: Transforms) -> tuple[Grey, Grey]:
    """Return the correlation (n,) where the images overlap, and the smaller share (n,) of either
    that overlaps."""
    n = len(first)
    warped, inside = _warp(first, transforms)
    ours, theirs = standardise(warped, inside), standardise(second.reshape(n, -1), inside)
    share = inside.mean(1)
    of_first = share * np.abs(np.linalg.det(transforms[:, :2, :2]))
    correlation = (ours * theirs).sum(1) / np.maximum(inside.sum(1), 1)
    return correlation, np.minimum(share, of_first)


def _warp(images: Grey, transforms: Transforms) -> tuple[Grey, npt.NDArray[np.bool_]]:
    """Sample images (n, s, s) bilinearly at the transformed grid. Return values and mask
    (n, s * s)."""
    n, side, _ = images.shape
    points = np.stack([*_grid(side), np.ones(side * side, np.float32)])
    u, v = np.moveaxis((transforms[:, :2] @ points + 1) * (side / 2) - 0.5, 1, 0)
    inside = (u >= -0.5) & (u <= side - 0.5) & (v >= -0.5) & (v <= side - 0.5)
    u, v = u.clip(0, side - 1.001), v.clip(0, side - 1.001)
    left, top = u.astype(np.int32), v.astype(np.int32)
    u, v = u - left, v - top
    at = np.arange(n, dtype=np.int64)[:, None] * side * side + top * side + left
    flat = images.ravel()
    above = flat.take(at) * (1 - u) + flat.take(at + 1) * u
    below = flat.take(at + side) * (1 - u) + flat.take(at + side + 1) * u
    return above * (1 - v) + below * v, inside


def standardise(values: Grey, mask: npt.NDArray[np.bool_]) -> Grey:
    """Return values (n, p) with mean 0 and standard deviation 1 where mask (n, p) is set, else 0.

    An image that varies less than MIN_CONTRAST becomes nearly 0, so it correlates with nothing.
    """
    count = np.maximum(mask.sum(1, keepdims=True), 1)
    centred = (values - (values * mask).sum(1, keepdims=True) / count) * mask
    spread = np.sqrt((centred * centred).sum(1, keepdims=True) / count)
    scaled: Grey = (centred / np.maximum(spread, MIN_CONTRAST)).astype(np.float32)
    return scaled


def _grid(side: int) -> tuple[Grey, Grey]:
    """Return x and y (s * s,) of the centre of every pixel."""
    middles = ((np.arange(side) + 0.5) / side * 2 - 1).astype(np.float32)
    return np.tile(middles, side), np.repeat(middles, side)


def _detail(images: Grey) -> Grey:
    """Return the detail between noise and shading (n, s, s), as the difference of two blurs."""
    fine = blurred(images, 1)
    return fine - blurred(fine, SHADING_BLURS)


def blurred(images: Grey, times: int) -> Grey:
    """Blur images (n, s, s) along both axes."""
    blur = _blur_matrix(images.shape[-1], times)
    return _multiply(blur, _multiply(blur, images).transpose(0, 2, 1)).transpose(0, 2, 1)


def _multiply(matrix: Grey, images: Grey) -> Grey:
    """Return matrix (s, s) @ images (n, s, s), computed a panel of columns at a time."""
    n, side, _ = images.shape
    panels = images.reshape(n, side, -1, PANEL_COLUMNS).transpose(0, 2, 1, 3)
    return (matrix @ panels).transpose(0, 2, 1, 3).reshape(n, side, side)


def downsample(images: Grey, side: int) -> Grey:
    """Halve images (..., s, s), by averages of 2 x 2 pixels, down to (..., side, side)."""
    while images.shape[-1] > side:
        rows = images[..., ::2, :] + images[..., 1::2, :]
        images = (rows[..., ::2] + rows[..., 1::2]) / 4
    return images


@cache
def _blur_matrix(side: int, times: int) -> Grey:
    """Return the matrix (side, side) that blurs `times` times by (1, 2, 1) / 4, repeating edges."""
    once = (2 * np.eye(side) + np.eye(side, k=1) + np.eye(side, k=-1)) / 4
    once[0, 0] = once[-1, -1] = 0.75
    smooth: Grey = np.linalg.matrix_power(once, times).astype(np.float32)
    return smooth


@cache
def _resize_matrix(old: int, new: int) -> Grey:
    """Return the matrix (new, old) that averages old pixels down to new ones, at any ratio."""
    edges = np.arange(new + 1) * (old / new)
    pixels = np.arange(old)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights: Grey = (overlap.clip(0) * (new / old)).astype(np.float32)
    return weights


def _bytes(values: Grey) -> npt.NDArray[np.uint8]:
    return values.round().astype(np.uint8)
