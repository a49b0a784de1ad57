"""A picture decodes the same whatever the host has set, and what it has set stays as it is."""

import io
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from PIL import ExifTags, Image
from support.pictures import encoded, picture

from embedtool.errors import ImageRejected
from embedtool.images import decode_process
from embedtool.images.decode import date_taken, decode_image, image_size, thumbnail

TAKEN = datetime(2020, 2, 29, 12, 34, 56)
LAST_TAG = 0xC4A5


def with_odd_exif(kind: str) -> bytes:
    """A picture that Pillow reads with a warning: its last tag is longer than the file."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = f"{TAKEN:%Y:%m:%d %H:%M:%S}"
    exif[LAST_TAG] = b"12345678"
    block = exif.tobytes()
    count = block.index(LAST_TAG.to_bytes(2, "big")) + 4
    odd = block[:count] + b"\x0f\xff\xff\xff" + block[count + 4 :]
    return encoded(picture(1), kind, exif=odd)


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_process, "COMMAND", (sys.executable, "-c", "raise SystemExit"))


def everything(data: bytes) -> list[object]:
    return [
        decode_image(data, 32).tobytes(),
        thumbnail(data, 20, kind="WEBP", quality=60),
        date_taken(data),
        image_size(data),
    ]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_warnings_made_errors_reject_nothing(kind: str) -> None:
    data = with_odd_exif(kind)
    with pytest.warns(UserWarning, match="."):
        expected = everything(data)
    assert expected[2:] == [TAKEN, (64, 48)]
    with pytest.raises(UserWarning):
        Image.open(io.BytesIO(data)).getexif().get(0x0112)
    filters = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(everything, [data] * 4)) == [expected] * 4
    assert list(warnings.filters) == filters


def test_a_photo_above_pillows_limit_and_below_ours_is_decoded(no_process: None) -> None:
    assert Image.MAX_IMAGE_PIXELS and Image.MAX_IMAGE_PIXELS < 9_600 * 9_900 < 100_000_000
    data = encoded(Image.new("L", (9_600, 9_900), 77))
    assert (decode_image(data, 8) == 77).all()
    assert image_size(data) == (9_600, 9_900)
    with pytest.raises(Image.DecompressionBombWarning):
        Image.open(io.BytesIO(data))


def test_a_lower_limit_of_the_host_stops_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [
        encoded(picture(2), "WEBP"),  # its plug-in raises at twice the limit,
        encoded(picture(2).convert("RGBA"), "PNG"),  # and cropping and TIFF warn above it
        encoded(picture(2), "TIFF"),
    ]
    expected = [everything(data) for data in pictures]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert [everything(data) for data in pictures] == expected
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_a_bomb_is_rejected_without_a_process(
    no_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    png = bytearray(encoded(Image.new("1", (8, 8)), "PNG"))
    png[16:24] = (60_000).to_bytes(4, "big") * 2
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    glass = picture(2)
    glass.putalpha(128)
    webp = bytearray(encoded(glass, "WEBP"))
    assert webp[12:16] == b"VP8X"
    webp[24:30] = (16_382).to_bytes(3, "little") * 2
    for limit in (Image.MAX_IMAGE_PIXELS, None):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ImageRejected, match=r"^over 100,000,000 pixels$"):
            decode_image(bytes(png), 32)
        with pytest.raises(ImageRejected):
            decode_image(bytes(webp), 32)
