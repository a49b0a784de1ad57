"""The quick test for copies accepts re-encodings, and nothing that the full comparison refuses."""

import numpy as np
import pytest
from duplicates.test_picture_edits import EDITS, PICTURE, resized
from PIL import Image
from support.pictures import encoded

from embedtool.duplicates.picture_edits import WHOLE_SIDE
from embedtool.duplicates.quick_copies import QuickCopies
from embedtool.images.decode import decode_whole


def whole(image: Image.Image, kind: str = "JPEG", **options: object) -> np.ndarray:
    return decode_whole(encoded(image, kind, **options), WHOLE_SIDE)


def test_re_encodings_and_resizes_are_accepted() -> None:
    quick = QuickCopies(whole(PICTURE, quality=95))
    copies = [
        *(whole(PICTURE, quality=quality) for quality in range(70, 100, 5)),
        *(whole(resized(share)(PICTURE), quality=90) for share in (0.7, 1, 1.5)),
        whole(PICTURE, "PNG"),
        whole(PICTURE, "WEBP", quality=90),
    ]
    assert quick.among(np.stack(copies)).tolist() == [True] * len(copies)


@pytest.mark.parametrize("name", EDITS)
def test_no_edit_is_accepted(name: str) -> None:
    edited = EDITS[name](PICTURE)
    first, second = whole(PICTURE, quality=95), whole(edited, quality=95)
    assert not QuickCopies(first).among(np.stack([second, whole(edited, quality=70)])).any()
    assert not QuickCopies(second).among(first[None]).any()


def test_a_picture_without_detail_accepts_nothing_not_even_itself() -> None:
    for grey in (255, 128):
        page = np.full((WHOLE_SIDE, WHOLE_SIDE, 3), grey, np.uint8)
        noise = np.random.default_rng(0).integers(0, 2, page.shape).astype(np.uint8)
        assert not QuickCopies(page - noise).among(np.stack([page - noise, page])).all()
        assert not QuickCopies(page - noise).among(page[None]).any()
