"""The pixel contract: one picture, one array, however it is stored."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from support.pictures import TURNS, encoded, picture, with_orientation

from embedtool.errors import ImageRejected
from embedtool.images import open_image
from embedtool.images.decode import decode_image, thumbnail


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("size", [(64, 48), (48, 64), (63, 47)])
def test_orientation_is_undone(turn: int, kind: str, size: tuple[int, int]) -> None:
    upright = picture(1, size)
    expected = decode_image(encoded(upright, "PNG"), 32)
    got = decode_image(with_orientation(upright, turn, kind), 32)
    assert (got == expected).all()


def test_jpeg_orientation_is_undone() -> None:
    upright = picture(2, (160, 120))
    expected = decode_image(encoded(upright, quality=95), 32)
    for turn in TURNS:
        got = decode_image(with_orientation(upright, turn, "JPEG"), 32)
        assert np.abs(got.astype(int) - expected).mean() < 3, turn


def test_the_centred_square_is_area_averaged() -> None:
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:2, 2:4] = 100
    pixels[:2, 4:6] = 200
    pixels[:, :2] = pixels[:, 6:] = 255  # outside the square
    got = decode_image(encoded(Image.fromarray(pixels), "PNG"), 2)
    assert got.tolist() == [[[100] * 3, [200] * 3], [[0] * 3, [0] * 3]]


def test_alpha_is_composited_on_white() -> None:
    rgba = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    rgba.paste((0, 0, 255, 255), (0, 0, 8, 4))
    got = decode_image(encoded(rgba, "PNG"), 2)
    assert got.tolist() == [[[0, 0, 255]] * 2, [[255, 255, 255]] * 2]


def test_palette_transparency_is_composited_on_white() -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.paste(1, (0, 0, 8, 4))
    got = decode_image(encoded(image, "PNG", transparency=0), 2)
    assert got.tolist() == [[[200, 100, 50]] * 2, [[255, 255, 255]] * 2]


def test_grey_transparency_is_composited_on_white() -> None:
    image = Image.new("L", (8, 8), 7)
    got = decode_image(encoded(image, "PNG", transparency=7), 2)
    assert (got == 255).all()


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    samples = np.full((8, 8), 25700, np.uint16)
    samples[4:] = 65535
    got = decode_image(encoded(Image.fromarray(samples), "PNG"), 2)
    assert got[:, 0, 0].tolist() == [100, 255]


def test_sixteen_bit_grey_is_one_picture_in_png_pgm_and_tiff() -> None:
    samples = np.linspace(10_000, 20_000, 64).reshape(8, 8).astype(np.uint16)
    image = Image.fromarray(samples)
    expected = decode_image(encoded(image, "PNG"), 8)
    assert expected.min() == 39 and expected.max() == 78
    for kind in ("TIFF", "PPM"):
        assert (decode_image(encoded(image, kind), 8) == expected).all()
    marked = decode_image(encoded(image, "PNG", transparency=20_000), 8)
    assert marked[7, 7, 0] == 255 and (marked[:7] == expected[:7]).all()


def test_float_samples_are_scaled() -> None:
    samples = np.zeros((8, 8), np.float32)
    samples[4:] = 0.5
    samples[0, 0] = np.nan
    got = decode_image(encoded(Image.fromarray(samples), "TIFF"), 2)
    assert got[:, 1, 0].tolist() == [0, 255]


def test_cmyk_is_converted() -> None:
    got = decode_image(encoded(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), quality=95), 2)
    assert np.abs(got.astype(int) - (0, 255, 255)).max() <= 4


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert decode_image(data, 1).tolist() == [[[255, 0, 0]]]


def test_a_colour_profile_is_applied() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = encoded(Image.new("RGB", (8, 8), (10, 200, 30)), "PNG")
    tagged = encoded(Image.new("RGB", (8, 8), (10, 200, 30)), "PNG", icc_profile=srgb)
    assert decode_image(tagged, 1).tolist() == decode_image(plain, 1).tolist()
    swapped = _swapped_profile(srgb)
    got = decode_image(encoded(Image.new("RGB", (8, 8), (10, 200, 30)), icc_profile=swapped), 1)
    assert got[0, 0, 0] > 150 > got[0, 0, 1]  # the profile says: red and green change places
    broken = encoded(Image.new("RGB", (8, 8), (10, 200, 30)), "PNG", icc_profile=b"not one")
    assert decode_image(broken, 1).tolist() == decode_image(plain, 1).tolist()


def _swapped_profile(profile: bytes) -> bytes:
    """An sRGB profile whose red and green primaries changed places, under another name."""
    data = bytearray(profile.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be")))
    count = struct.unpack_from(">I", data, 128)[0]
    place = {bytes(data[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green = place[b"rXYZ"], place[b"gXYZ"]
    data[red : red + 4], data[green : green + 4] = data[green : green + 4], data[red : red + 4]
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"hello, I am a text", "not an image"),
        (b"\xff\xd8\xff\xe0 and no more", "Truncated"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (encoded(picture(3))[:-300], "truncated"),
        (encoded(picture(3), "PNG")[:-60], "."),
    ],
)
def test_what_is_no_whole_image_is_rejected(data: bytes, reason: str) -> None:
    with pytest.raises(ImageRejected, match=reason) as caught:
        decode_image(data, 32)
    assert caught.value.stage == "decode"


def test_a_bomb_is_rejected_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.new("1", (400, 300)), "PNG")
    monkeypatch.setattr(open_image, "MAX_PIXELS", 400 * 300 - 1)
    with pytest.raises(ImageRejected, match="pixels"):
        decode_image(data, 32)
    header = struct.pack(">II", 60_000, 60_000)
    lying = bytearray(encoded(Image.new("1", (8, 8)), "PNG"))
    lying[16:24] = header
    with pytest.raises(ImageRejected):
        decode_image(bytes(lying), 32)


def test_extensions_do_not_matter_but_content_does() -> None:
    upright = picture(4)
    expected = decode_image(encoded(upright, "PNG"), 16)
    for kind in ("BMP", "TIFF", "PPM"):
        assert (decode_image(encoded(upright, kind), 16) == expected).all()


def test_a_large_jpeg_is_decoded_at_a_smaller_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(picture(5, (4000, 3000)), quality=90)
    decoded = []
    own = Image.Image.resize

    def resize(self: Image.Image, *arguments: Any, **options: Any) -> Image.Image:
        decoded.append(self.size)
        return own(self, *arguments, **options)

    monkeypatch.setattr(Image.Image, "resize", resize)
    small = decode_image(data, 224)
    assert decoded == [(500, 375)]  # 1/8 of each side: 1/64 of the pixels
    full = Image.open(io.BytesIO(data)).resize(
        (224, 224), Image.Resampling.BOX, (500, 0, 3500, 3000)
    )
    assert np.abs(small.astype(int) - np.asarray(full)).mean() < 1


def test_thumbnails_keep_the_whole_picture_and_its_side() -> None:
    data = with_orientation(picture(6, (300, 200)), 6, "JPEG")
    assert Image.open(io.BytesIO(thumbnail(data, 90))).size == (90, 60)


@given(
    st.binary(max_size=300),
    st.sampled_from(
        [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"RIFF0000WEBP", b"P6 "]
    ),
)
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_decoded_or_rejected(tail: bytes, magic: bytes) -> None:
    try:
        assert decode_image(magic + tail, 8).shape == (8, 8, 3)
    except ImageRejected as reject:
        assert reject.reason


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 24))
@settings(max_examples=60, deadline=None)
def test_any_shape_gives_the_square_asked_for(width: int, height: int, size: int) -> None:
    got = decode_image(encoded(Image.new("RGB", (width, height), (9, 99, 199)), "PNG"), size)
    assert got.shape == (size, size, 3) and got.flags.c_contiguous
    assert (got == (9, 99, 199)).all()
