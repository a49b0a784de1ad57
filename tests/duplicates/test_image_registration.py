"""Two pictures laid over each other: which are one."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps
from support.pictures import crop, encoded, scene

from embedtool.duplicates.image_registration import (
    DECODED_SIDE,
    ReducedImage,
    centre_patches,
    coarse_image,
    match_patches,
    reduce_image,
    same_picture,
)
from embedtool.images.decode import decode_image, image_size


def reduced(image: Image.Image, kind: str = "PNG", **options: object) -> ReducedImage:
    return reduce_image(decode_image(encoded(image, kind, **options), DECODED_SIDE))


def are_same(one: ReducedImage, other: ReducedImage) -> bool:
    _, transforms = match_patches(coarse_image(one), centre_patches(coarse_image(other)[None]))
    return bool(same_picture([one], [other], transforms)[0])


def test_a_crop_is_placed_where_it_was_cut() -> None:
    whole = scene(1, (400, 400))
    cut = whole.crop((40, 20, 360, 340))  # 0.8 of the side; its middle is 20 above, 0 beside
    patches = centre_patches(coarse_image(reduced(cut))[None])
    correlations, transforms = match_patches(coarse_image(reduced(whole)), patches)
    assert correlations[0] > 0.9
    # x: from 40 to 360 of 400 is -0.8 to 0.8; y: from 20 to 340 is -0.9 to 0.7
    expected = [[0.8, 0, 0], [0, 0.8, -0.1], [0, 0, 1.0]]
    assert np.allclose(transforms[0], expected, atol=0.05)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda i: i, True),
        (lambda i: i.resize((160, 120)), True),
        (lambda i: i.resize((960, 720)), True),
        (lambda i: crop(i, 0.05), True),
        (lambda i: crop(i, 0.03).resize((200, 150)), True),
        (ImageOps.mirror, False),
        (lambda i: scene(99), False),
        (lambda i: Image.merge("RGB", i.split()[::-1]), False),  # red in blue's place
        (lambda i: crop(i, 0.3), False),  # half of its area or less is left: another picture
    ],
)
def test_which_changes_leave_the_same_picture(
    change: Callable[[Image.Image], Image.Image], same: bool
) -> None:
    image = scene(2)
    whole, changed = reduced(image), reduced(change(image), "JPEG", quality=60)
    assert are_same(whole, changed) is same


def test_blank_pictures_are_not_taken_for_one_another() -> None:
    white = reduced(Image.new("RGB", (80, 60), "white"))
    paper = reduced(Image.new("RGB", (80, 60), (250, 250, 249)))
    assert not are_same(white, paper)


def test_image_size_is_the_headers() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert image_size(encoded(scene(3, (64, 48)), "JPEG", exif=exif)) == (64, 48)
    assert image_size(encoded(scene(3, (64, 48)), "WEBP")) == (64, 48)
