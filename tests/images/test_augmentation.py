"""Augmentation: what is done follows from the key, and each change does what its name says."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pictures import picture

from embedtool.errors import UsageError
from embedtool.images.augmentation import NONE, Augmentation, augment, copy_key

SIDE = 64
PIXELS = np.asarray(picture(3, (SIDE, SIDE)))
KEYS = [copy_key(bytes(32), copy, seed=0) for copy in range(40)]


def each(by: Augmentation, pixels: np.ndarray = PIXELS) -> list[np.ndarray]:
    return [augment(pixels, by, key=key) for key in KEYS]


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=20)
def test_no_augmentation_changes_no_pixel(key: bytes) -> None:
    assert np.array_equal(augment(PIXELS, NONE, key=key), PIXELS)


def test_threads_and_order_make_no_difference() -> None:
    plain = each(Augmentation())
    with ThreadPoolExecutor(8) as pool:
        threaded = list(
            pool.map(lambda key: augment(PIXELS, Augmentation(), key=key), reversed(KEYS))
        )
    assert all(map(np.array_equal, plain, reversed(threaded)))
    assert len({variant.tobytes() for variant in plain}) == len(KEYS)


def test_seed_copy_and_file_each_change_the_key() -> None:
    keys = {copy_key(digest, copy, seed=seed) for digest in (b"a" * 32, b"b" * 32)
            for copy in (1, 2) for seed in (0, 1)}  # fmt: skip
    assert len(keys) == 8


def test_a_flip_is_a_mirror_image_or_nothing() -> None:
    mirrored = [np.array_equal(v, PIXELS[:, ::-1]) for v in each(replace(NONE, flip=True))]
    same = [np.array_equal(v, PIXELS) for v in each(replace(NONE, flip=True))]
    assert [a != b for a, b in zip(mirrored, same, strict=True)] == [True] * len(KEYS)
    assert 10 < sum(mirrored) < 30


@pytest.mark.parametrize(("name", "axis"), [("width_shift", 1), ("height_shift", 0)])
def test_a_shift_moves_along_its_axis_by_at_most_its_share(name: str, axis: int) -> None:
    ramp = np.broadcast_to(np.arange(SIDE, dtype=np.uint8) * 3, (SIDE, SIDE))
    ramp = np.stack([ramp if axis == 1 else ramp.T] * 3, -1)
    middle = slice(SIDE // 4, -SIDE // 4)
    change: dict[str, Any] = {name: 0.2}
    for variant in each(replace(NONE, **change), ramp):
        moved = (ramp[middle, middle].astype(float) - variant[middle, middle]) / 3
        assert moved.max() - moved.min() < 0.7  # the same everywhere, but for rounding
        assert abs(moved.mean()) <= 0.2 * SIDE + 0.5


def test_a_turn_keeps_the_centre_and_is_measured_in_degrees() -> None:
    arm = np.zeros((SIDE + 1, SIDE + 1, 3), np.uint8)
    arm[SIDE // 2 - 1 : SIDE // 2 + 2, SIDE // 2 :] = 255  # from the centre to the right
    angles = []
    for variant in each(replace(NONE, rotation=30), arm):
        assert variant[SIDE // 2, SIDE // 2].min() > 120
        rows, columns = np.nonzero(variant[..., 0] > 128)
        far = columns > SIDE // 2 + 12
        slope = (rows[far] - SIDE / 2).mean() / (columns[far] - SIDE / 2).mean()
        angles.append(np.degrees(np.arctan(slope)))
    assert 20 < max(angles) < 31 and -31 < min(angles) < -20


def test_zoom_changes_the_size_by_its_share() -> None:
    disc = np.zeros((SIDE, SIDE, 3), np.uint8)
    disc[16:48, 16:48] = 255
    sizes = [np.sqrt((v[..., 0] / 255.0).sum()) / 32 for v in each(replace(NONE, zoom=0.3), disc)]
    assert 0.69 < min(sizes) < 0.8 and 1.2 < max(sizes) < 1.31


def test_shear_moves_rows_against_each_other_and_keeps_the_area() -> None:
    disc = np.zeros((SIDE, SIDE, 3), np.uint8)
    disc[24:40, 24:40] = 255
    for variant in each(replace(NONE, shear=20), disc):
        assert (variant[..., 0] / 255.0).sum() == pytest.approx(256, rel=0.05)
        lit = (variant[..., 0] > 128).any(1).sum()
        assert lit == 16


def test_colour_stays_within_its_share() -> None:
    grey = np.full((SIDE, SIDE, 3), 100, np.uint8)
    lights = [int(variant.mean()) for variant in each(replace(NONE, colour=0.2), grey)]
    assert 79 <= min(lights) < 90 and 110 < max(lights) <= 121


@pytest.mark.parametrize(
    ("fill", "dark"), [("nearest", False), ("reflect", False), ("black", True)]
)
def test_what_stands_beyond_the_edge(fill: str, dark: bool) -> None:
    light = np.full((SIDE, SIDE, 3), 200, np.uint8)
    variants = each(replace(NONE, rotation=40, fill=fill), light)
    assert any((variant < 100).any() for variant in variants) == dark
    if not dark:
        assert all((variant == 200).all() for variant in variants)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"rotation": -1}, "rotation from 0 to 180"), ({"zoom": 1}, "zoom"), ({"fill": "x"}, "fill")],
)
def test_what_cannot_be_meant_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        replace(NONE, **change)
