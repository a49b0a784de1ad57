"""The filters of image registration, each against a plain reference."""

import numpy as np
import pytest
from scipy.ndimage import convolve1d, map_coordinates

from embedtool.duplicates import image_registration as registration
from embedtool.duplicates.image_registration import (
    MIN_CONTRAST,
    Grey,
    ReducedImage,
    coarse_image,
    reduce_image,
)

NAMES_OF_TRANSFORMS = ["identity", "shift", "scale", "rotation", "shear", "outside"]
TRANSFORMS = np.array(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 0, 0.3], [0, 1, -0.55], [0, 0, 1]],
        [[0.7, 0, 0.1], [0, 1.4, -0.2], [0, 0, 1]],
        [[0.866, -0.5, 0.05], [0.5, 0.866, 0], [0, 0, 1]],
        [[1, 0.23, 0], [-0.11, 0.9, 0.07], [0, 0, 1]],
        [[1, 0, 2.6], [0, 1, -2.6], [0, 0, 1]],
    ],
    np.float32,
)


def noise(*shape: int) -> Grey:
    return np.random.default_rng(7).uniform(0, 255, shape).astype(np.float32)


def block_means(image: np.ndarray, side: int) -> np.ndarray:
    """The mean (side, side) of each square block of an image (s, s)."""
    step = len(image) // side
    rows = range(0, len(image), step)
    return np.array([[image[y : y + step, x : x + step].mean() for x in rows] for y in rows])


def blurred(image: np.ndarray, times: int) -> np.ndarray:
    for _ in range(times):
        for axis in (0, 1):
            image = convolve1d(image.astype(np.float64), [0.25, 0.5, 0.25], axis, mode="nearest")
    return image


def test_a_photo_is_reduced_to_the_means_of_its_blocks() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    reduced = reduce_image(pixels)
    grey = block_means(pixels.mean(2), 128).round()
    colour = np.stack([block_means(pixels[..., c], 16) for c in range(3)], 2).round()
    assert reduced.grey.dtype == reduced.colour.dtype == np.uint8
    # A mean of twelve integers that ends in a half may be rounded either way.
    assert np.array_equal(reduced.colour, colour) and np.abs(reduced.grey - grey).max() <= 1
    assert np.mean(reduced.grey == grey) > 0.9
    assert np.array_equal(coarse_image(reduced), block_means(reduced.grey, 32).round())


def test_values_are_rounded_not_cut_off() -> None:
    grey = np.full((128, 128), 9, np.uint8)
    grey[::2] = 10
    grey[::4, ::2] = 12  # the mean of each block of 4 x 4 is 9.75
    assert np.unique(coarse_image(ReducedImage(grey, np.zeros((16, 16, 3), np.uint8)))) == [10]


@pytest.mark.parametrize("side", [32, 8, 4])
def test_images_are_halved_by_averages(side: int) -> None:
    images = noise(2, 3, 32, 32)
    found = registration.downsample(images, side)
    assert found.shape == (2, 3, side, side)
    for one, image in zip(found.reshape(-1, side, side), images.reshape(-1, 32, 32), strict=True):
        assert np.allclose(one, block_means(image, side), rtol=1e-5)


@pytest.mark.parametrize(("old", "new"), [(32, 32), (32, 29), (32, 26), (12, 5), (6, 3)])
def test_any_ratio_of_sizes_averages_the_pixels(old: int, new: int) -> None:
    signal = noise(old)
    # Each pixel in `new` equal parts, so that each new pixel has `old` whole parts.
    expected = signal.repeat(new).reshape(new, old).mean(1)
    assert np.allclose(registration._resize_matrix(old, new) @ signal, expected, rtol=1e-5)


@pytest.mark.parametrize("times", [0, 1, 5])
@pytest.mark.parametrize("side", [16, 48])
def test_a_blur_repeats_the_edges(side: int, times: int) -> None:
    images = noise(3, side, side)
    expected = np.stack([blurred(image, times) for image in images])
    assert np.allclose(registration.blurred(images, times), expected, rtol=1e-4)


def test_detail_is_what_a_wide_blur_removes_and_a_narrow_one_leaves() -> None:
    image = noise(32, 32)
    expected = blurred(image, 1) - blurred(image, 6)
    assert np.allclose(registration._detail(image[None])[0], expected, atol=1e-3)


def test_panels_of_columns_make_the_product() -> None:
    matrix, images = noise(32, 32), noise(2, 32, 32)
    assert np.allclose(registration._multiply(matrix, images), matrix @ images, rtol=1e-4)


def test_coordinates_are_those_of_pixel_centres() -> None:
    x, y = registration._grid(4)
    middles = [-0.75, -0.25, 0.25, 0.75]
    assert x.tolist() == middles * 4
    assert y.tolist() == [y for y in middles for _ in range(4)]


@pytest.mark.parametrize("number", range(len(TRANSFORMS)), ids=NAMES_OF_TRANSFORMS)
def test_sampling_is_bilinear(number: int) -> None:
    side = 16
    images, transforms = noise(3, side, side), TRANSFORMS[[0, number, 1]]
    values, inside = registration._warp(images, transforms)
    middles = (np.arange(side) + 0.5) / side * 2 - 1
    y, x = np.meshgrid(middles, middles, indexing="ij")
    for image, matrix, own, mask in zip(images, transforms, values, inside, strict=True):
        to = np.einsum("ij,jyx->iyx", matrix[:2], np.stack([x, y, np.ones_like(x)]))
        assert np.array_equal(mask.reshape(side, side), (np.abs(to) <= 1).all(0))
        pixels = (to[::-1] + 1) * side / 2 - 0.5  # row and column
        expected = map_coordinates(image.astype(np.float64), pixels, order=1, mode="nearest")
        assert np.allclose(own.reshape(side, side), expected, atol=0.5)  # clipped 0.001 early


def test_a_shift_by_whole_pixels_moves_the_values() -> None:
    images = noise(2, 16, 16)
    shift = np.eye(3, dtype=np.float32)
    shift[:2, 2] = [3 * 2 / 16, -1 * 2 / 16]  # three pixels right, one up
    values, inside = registration._warp(images, np.stack([np.eye(3, dtype=np.float32), shift]))
    assert inside[0].all() and np.allclose(values[0].reshape(16, 16), images[0], atol=0.3)
    moved, mask = values[1].reshape(16, 16), inside[1].reshape(16, 16)
    assert np.allclose(moved[1:, :12], images[1, :15, 3:15], atol=1e-3)
    assert mask[1:, :13].all() and mask.sum() == 15 * 13


def test_values_are_standardised_where_the_mask_is_set() -> None:
    values, mask = noise(4, 50), noise(4, 50) > 100
    mask[3] = False
    values[1] = 40 + 1e-3 * values[1]  # it varies by less than a grey level
    found = registration.standardise(values, mask)
    for own, row, part in zip(found[:3], values, mask, strict=False):
        one = row[part].astype(np.float64)
        expected = (one - one.mean()) / max(one.std(), MIN_CONTRAST)
        assert np.allclose(own[part], expected, atol=1e-3)
        assert not own[~part].any()
    assert found.dtype == np.float32 and not found[3].any()
    assert np.isclose(found[0].std() ** 2 * 50, mask[0].sum(), rtol=1e-4), "a spread of 1"
    assert np.abs(found[1]).max() < 0.5, "no detail, so nearly nothing"


def test_correlation_and_overlap() -> None:
    first, second = noise(6, 16, 16), noise(6, 16, 16)[::-1]
    transforms = TRANSFORMS[[0, 0, 1, 2, 3, 5]]
    second[0] = 200 - first[0] / 2
    correlation, overlap = registration._correlation(first, second, transforms)
    warped, inside = registration._warp(first, transforms)
    for n in range(1, 5):
        ours, theirs = warped[n, inside[n]], second[n].ravel()[inside[n]]
        assert np.isclose(correlation[n], np.corrcoef(ours, theirs)[0, 1], atol=1e-4)
        area = abs(np.linalg.det(transforms[n, :2, :2]))  # of the second image, in the first
        assert np.isclose(overlap[n], inside[n].mean() * min(1, area), atol=1e-6)
    assert np.isclose(correlation[0], -1, atol=1e-4)
    assert correlation[5] == overlap[5] == 0, "they do not overlap"


@pytest.mark.parametrize(("scale", "share"), [(0.5, 0.25), (1, 1), (2, 0.25)])
def test_overlap_is_the_smaller_share(scale: float, share: float) -> None:
    transform = np.diag([scale, scale, 1]).astype(np.float32)[None]
    _, overlap = registration._correlation(noise(1, 32, 32), noise(1, 32, 32), transform)
    assert np.isclose(overlap[0], share)
