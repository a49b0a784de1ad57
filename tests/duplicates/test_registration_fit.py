"""Known affine transforms between synthetic images, and each step towards them."""

import numpy as np
import pytest

from embedtool.duplicates import image_registration as registration
from embedtool.duplicates.image_registration import (
    SCALES,
    Grey,
    ReducedImage,
    Transforms,
    centre_patches,
    match_patches,
    same_picture,
)

IDENTITY = np.eye(3, dtype=np.float32)


def affine(*rows: float) -> Transforms:
    return np.array([*rows, 0, 0, 1], np.float32).reshape(3, 3)


def pattern(seed: int, transform: Transforms, side: int, waves: float = 9) -> Grey:
    """Grey levels (side, side) of a smooth picture, a sum of waves, seen through a transform."""
    random = np.random.default_rng(seed)
    middles = (np.arange(side) + 0.5) / side * 2 - 1
    y, x = np.meshgrid(middles, middles, indexing="ij")
    x, y = np.einsum("ij,jyx->iyx", transform[:2], np.stack([x, y, np.ones_like(x)]))
    total = np.zeros((side, side))
    for kx, ky, phase in random.uniform(-1, 1, (12, 3)) * [waves, waves, np.pi]:
        total += np.sin(kx * x + ky * y + phase)
    return (128 + 18 * total).astype(np.float32)


def coarse(seed: int, transform: Transforms) -> np.ndarray:
    return pattern(seed, transform, 32).clip(0, 255).round().astype(np.uint8)


def test_patches_are_the_detail_of_the_middle_at_every_scale() -> None:
    images = np.stack([coarse(1, IDENTITY), coarse(2, IDENTITY), np.full((32, 32), 9, np.uint8)])
    patches = centre_patches(images)
    assert patches.shape == (3, 5, 400) and not patches[2].any()
    for image, own in zip(images[:2].astype(np.float32), patches, strict=False):
        for scale, patch in zip(SCALES, own, strict=True):
            side = round(32 * scale)
            resize = registration._resize_matrix(32, side)
            blur = np.linalg.matrix_power(registration._blur_matrix(side, 1), 6)
            fine = registration._blur_matrix(side, 1) @ resize @ image
            fine = fine @ resize.T @ registration._blur_matrix(side, 1).T
            wide = blur @ resize @ image @ resize.T @ blur.T
            start = (side - 20) // 2
            middle = (fine - wide)[start : start + 20, start : start + 20].ravel()
            expected = (middle - middle.mean()) / np.linalg.norm(middle - middle.mean())
            assert np.allclose(patch, expected, atol=1e-4)


def test_the_best_window_is_that_of_the_highest_correlation() -> None:
    first = coarse(1, IDENTITY)
    others = centre_patches(np.stack([coarse(2, IDENTITY), first, coarse(3, IDENTITY)]))
    correlations, transforms = match_patches(first, others)
    detail = registration._detail(first[None].astype(np.float32))[0]
    for patches, found, transform in zip(others, correlations, transforms, strict=True):
        best = max(
            (np.corrcoef(patch, detail[y : y + 20, x : x + 20].ravel())[0, 1], number, x, y)
            for number, patch in enumerate(patches)
            for y in range(13)
            for x in range(13)
        )
        assert np.isclose(found, best[0], atol=1e-4)
        _, number, x, y = best
        side = round(32 * SCALES[number])
        start = (side - 20) // 2  # the patch's first pixel in the resized image
        for corner in ((0, 0), (side, side), (0, side)):  # of that image, in its pixels
            own = [2 * edge / side - 1 for edge in corner]
            placed = [x - start + corner[0], y - start + corner[1]]
            to = [2 * edge / 32 - 1 for edge in placed]
            assert np.allclose(transform @ [*own, 1], [*to, 1], atol=1e-5)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("offset", [(0, 0), (2, -3), (-4, 1)])
def test_a_crop_is_found_at_its_scale_and_place(scale: float, offset: tuple[int, int]) -> None:
    side = round(32 * scale)
    x, y = (2 * pixels / 32 for pixels in offset)
    middle = (2 * ((side - 20) // 2 + 10) - side) / 32  # an odd side has no middle pixel
    cut = affine(side / 32, 0, x - middle, 0, side / 32, y - middle)
    first, second = coarse(4, IDENTITY), coarse(4, cut)
    correlations, transforms = match_patches(first, centre_patches(second[None]))
    assert correlations[0] > 0.95 and np.allclose(transforms[0], cut, atol=1e-6)


SMALL = [
    affine(1, 0, 0.02, 0, 1, -0.015),
    affine(0.985, 0, 0, 0, 1.01, 0),
    affine(np.cos(0.02), -np.sin(0.02), 0, np.sin(0.02), np.cos(0.02), 0),
    affine(1.01, 0.012, -0.01, -0.006, 0.99, 0.02),
]


def test_a_transform_is_recovered_whatever_the_brightness() -> None:
    first = np.stack([pattern(seed, IDENTITY, 64) for seed in range(len(SMALL))])
    second = np.stack([pattern(seed, matrix, 64) for seed, matrix in enumerate(SMALL)])
    second = second * np.array([0.6, 1, 1.3, 0.8])[:, None, None] + 20
    start = np.broadcast_to(IDENTITY, (len(SMALL), 3, 3))
    found = registration.refine(first, second.astype(np.float32), start, 6)
    assert np.allclose(found, SMALL, atol=1e-3)  # a thirtieth of a pixel
    correlation, _ = registration._correlation(first, second, found)
    assert correlation.min() > 0.999


def framed(seed: int, transform: Transforms) -> Grey:
    """A pattern on a grey frame that is wider than any step of the tests."""
    picture = pattern(seed, transform, 32)
    picture[:4] = picture[-4:] = picture[:, :4] = picture[:, -4:] = 128
    return picture


def test_a_step_solves_the_normal_equations() -> None:
    """Against a Jacobian by finite differences, in float64."""
    first, second = framed(5, IDENTITY), framed(5, SMALL[3])
    start = affine(0.99, 0.01, 0.02, 0, 1.01, -0.01)
    found = registration.refine(first[None], second[None], start[None], 1)[0]

    def sampled(image: Grey, transform: Transforms) -> np.ndarray:
        soft = registration.blurred(image[None].astype(np.float32), 1)
        values, _ = registration._warp(soft, transform[None].astype(np.float32))
        return np.asarray(values[0], np.float64)

    step = 1 / 64  # a quarter of a pixel
    slopes = []
    for change in np.eye(9)[:6].reshape(6, 3, 3) * step:
        after, before = (sampled(second, IDENTITY + sign * change) for sign in (1, -1))
        slopes.append((after - before) / (2 * step))
    ours, theirs = sampled(first, start), sampled(second, IDENTITY)
    jacobian = np.array(slopes) / theirs.std()
    normal = jacobian @ jacobian.T
    damped = normal + np.eye(6) * (1e-3 * np.trace(normal) / 6 + 1e-6)
    inside = registration._warp(first[None], start[None])[1][0]
    ours, theirs = ((own - own[inside].mean()) / own[inside].std() for own in (ours, theirs))
    solution = np.linalg.solve(damped, jacobian @ ((ours - theirs) * inside))
    change = IDENTITY + np.array([*solution, 0, 0, 0]).reshape(3, 3)
    assert np.allclose(found, start @ np.linalg.inv(change), atol=1e-6)


def test_a_step_that_would_fold_the_image_is_skipped() -> None:
    """The least squares of y - x over the slopes of x make x vanish."""
    x, y = (grid.reshape(1, 32, 32) * 100 for grid in registration._grid(32))
    start = affine(1, 0, 0.01, 0, 1, 0)[None]
    assert np.array_equal(registration.refine(y, x, start, 3), start)


def test_blank_images_leave_the_transform_as_it_is() -> None:
    blank = np.full((1, 32, 32), 200, np.float32)
    start = affine(0.9, 0, 0.1, 0, 0.9, 0)[None]
    assert np.allclose(registration.refine(blank, blank, start, 4), start, atol=1e-6)


def photo(seed: int, transform: Transforms = IDENTITY, *, contrast: float = 1) -> ReducedImage:
    """A reduced photo with fine detail, whose three channels differ."""
    grey = pattern(seed, transform, 128, 40)
    colour = np.stack([pattern(seed + 100 * c, transform, 16, 4) for c in range(3)], 2)
    values = [128 + contrast * (values - 128) for values in (grey, colour)]
    return ReducedImage(*(v.clip(0, 255).round().astype(np.uint8) for v in values))


def zoom(scale: float) -> Transforms:
    return affine(scale, 0, 0, 0, scale, 0)


def test_each_pair_of_a_batch_is_decided_by_itself() -> None:
    whole, blank = photo(1), ReducedImage(*(np.full_like(v, 90) for v in vars(photo(1)).values()))
    channels = ReducedImage(whole.grey, whole.colour[..., ::-1])
    faded = ReducedImage(whole.grey, whole.colour // 3 + 100)
    pairs = [
        (whole, photo(2), IDENTITY, False),
        (whole, whole, IDENTITY, True),
        (blank, blank, IDENTITY, False),
        (whole, channels, IDENTITY, False),
        (whole, faded, IDENTITY, True),
        (whole, photo(1, SMALL[0], contrast=0.5), IDENTITY, True),
        (photo(3), photo(3, zoom(0.73)), zoom(0.74), True),  # 0.53 of the area
        (photo(3), photo(3, zoom(0.68)), zoom(0.69), False),  # 0.46
        (photo(3, zoom(0.73)), photo(3), zoom(1 / 0.74), True),
        (photo(3, zoom(0.68)), photo(3), zoom(1 / 0.69), False),
        (photo(4), photo(4, SMALL[3]), IDENTITY, True),
        (photo(4), photo(4, SMALL[3]), affine(1, 0, 0.9, 0, 1, 0.9), False),  # too far to begin
    ]
    first, second, starts, same = map(list, zip(*pairs, strict=True))
    transforms = np.stack(starts)
    assert same_picture(first, second, transforms).tolist() == same
    assert np.array_equal(transforms, np.stack(starts)), "the argument is not changed"
    for one, other, start, expected in pairs:
        assert same_picture([one], [other], start[None]).tolist() == [expected]
    assert same_picture(first[:1], second[:1], transforms[:1]).tolist() == [False]


def test_colours_are_compared_where_the_images_overlap() -> None:
    cut = affine(0.5, 0, 0.5, 0, 0.5, -0.5)  # the upper right quarter
    whole, quarter = photo(1), photo(1, cut)
    back = np.linalg.inv(cut)
    pairs = [(whole, quarter, cut), (whole, quarter, IDENTITY), (quarter, whole, back)]
    first, second, transforms = map(list, zip(*pairs, strict=True))
    agree = registration._colours_agree(first, second, np.stack(transforms), np.array([2, 1, 0]))
    assert agree.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("grey", "colour", "same"),
    [(0.4, 0, True), (0.8, 0, False), (0, 0.35, True), (0, 0.45, False)],
)
def test_how_much_of_another_photo_may_show_through(grey: float, colour: float, same: bool) -> None:
    """The detail must correlate by 0.84 and the colours by 0.9. Here they do by 0.93 and 0.78, and
    by 0.92 and 0.87."""
    first, other = photo(1, contrast=0.6), photo(2, contrast=0.6)
    mixed = ReducedImage(
        *(
            np.clip(own + share * (added.astype(np.float64) - 128), 0, 255).astype(np.uint8)
            for own, added, share in (
                (first.grey, other.grey, grey),
                (first.colour, other.colour, colour),
            )
        )
    )
    assert same_picture([first], [mixed], IDENTITY[None]).tolist() == [same]
