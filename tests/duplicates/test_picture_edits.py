"""Which changes of one picture are edits: not a re-encoding, and not a resize."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from support.pictures import crop, encoded, scene

from embedtool.duplicates.picture_edits import WHOLE_SIDE, WholeImage, are_edited
from embedtool.images.decode import decode_square_and_whole

Change = Callable[[Image.Image], Image.Image]


def whole(image: Image.Image, kind: str = "PNG", **options: object) -> WholeImage:
    _, pixels = decode_square_and_whole(encoded(image, kind, **options), 256, WHOLE_SIDE)
    return WholeImage(pixels, min(image.size))


def resized(share: float) -> Change:
    return lambda image: image.resize((round(image.width * share), round(image.height * share)))


def captioned(image: Image.Image) -> Image.Image:
    """A caption at the lower edge, which the centred square of a tall picture does not show."""
    image = image.copy()
    ImageDraw.Draw(image).rectangle((150, 450, 190, 462), fill="yellow")
    return image


def cut(image: Image.Image) -> Image.Image:
    return image.crop((0, 12, image.width, image.height))


KEPT: dict[str, tuple[Change, str, dict[str, object]]] = {
    "quality 40": (Image.Image.copy, "JPEG", {"quality": 40}),
    "webp": (Image.Image.copy, "WEBP", {"quality": 50}),
    "0.15": (resized(0.15), "JPEG", {"quality": 85}),
    "0.3": (resized(0.3), "JPEG", {"quality": 85}),
    "0.75": (resized(0.75), "JPEG", {"quality": 85}),
    "2": (resized(2), "JPEG", {"quality": 85}),
}
EDITS: dict[str, Change] = {
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.05),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.95),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.15),
    "grey": ImageOps.grayscale,
    "less colour": lambda image: ImageEnhance.Color(image).enhance(0.7),
    "crop": lambda image: crop(image, 0.012),
    "upper edge": cut,
    "caption": captioned,
    "turn": lambda image: image.rotate(1, Image.Resampling.BICUBIC),
    "mirror": ImageOps.mirror,
}
PICTURE = scene(3, (360, 480))


@pytest.mark.parametrize("name", KEPT)
def test_a_re_encoding_or_a_resize_is_no_edit(name: str) -> None:
    change, kind, options = KEPT[name]
    copy = whole(change(PICTURE), kind, **options)
    assert are_edited([whole(PICTURE), copy], [copy, whole(PICTURE)]).tolist() == [False, False]


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_seen_in_either_order_and_at_half_the_size(name: str) -> None:
    edited = EDITS[name](PICTURE)
    others = [whole(edited), whole(edited, "JPEG", quality=85), whole(resized(0.5)(edited))]
    first = [whole(PICTURE)] * 3
    assert are_edited(first, others).tolist() == [True, True, True]
    assert are_edited(others, first).tolist() == [True, True, True]


def test_a_crop_of_three_pixels_is_an_edit() -> None:
    assert are_edited([whole(PICTURE)], [whole(crop(PICTURE, 3 / 480))]).tolist() == [True]


def test_pairs_of_several_sizes_are_compared_each_at_its_own() -> None:
    small, tiny = whole(resized(0.5)(PICTURE)), whole(resized(0.2)(PICTURE))
    darker = whole(EDITS["darker"](PICTURE))
    first = [whole(PICTURE), small, whole(PICTURE), tiny]
    assert are_edited(first, [small, darker, tiny, small]).tolist() == [False, True, False, False]
    assert are_edited([], []).tolist() == []


def test_blank_pictures_of_one_colour_are_unedited() -> None:
    white = WholeImage(np.full((WHOLE_SIDE, WHOLE_SIDE, 3), 255, np.uint8), 500)
    assert are_edited([white], [white]).tolist() == [False]
