"""What a file records about itself, in every format, and with tags that are damaged."""

import struct
from datetime import datetime

import pytest
from PIL import ExifTags, Image
from support.pictures import encoded, picture

from embedtool.errors import ImageRejected
from embedtool.images.decode import date_taken, read_metadata
from embedtool.images.metadata import Metadata, is_raw_name

TAKEN = "2020:05:01 12:30:45"


def exif(**tags: object) -> Image.Exif:
    """EXIF with these tags of `ExifTags.Base`."""
    found = Image.Exif()
    details = found.get_ifd(ExifTags.IFD.Exif)
    inside = ("DateTimeOriginal", "ExifImageWidth", "ExifImageHeight")
    for name, value in tags.items():
        (details if name in inside else found)[ExifTags.Base[name]] = value
    return found


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_a_photo_of_a_camera(kind: str) -> None:
    tags = exif(Make="Acme\0", Model="Acme X1 ", DateTimeOriginal=TAKEN, DateTime=TAKEN)
    found = read_metadata(encoded(picture(1), kind, exif=tags))
    lossless = kind == "PNG"
    taken = datetime(2020, 5, 1, 12, 30, 45)
    assert found == Metadata(kind, 64, 48, lossless, False, "Acme", "Acme X1", taken, False)
    assert found.camera == "Acme X1" and found.is_camera_original
    assert date_taken(encoded(picture(1), kind, exif=tags)) == taken


@pytest.mark.parametrize(
    ("tags", "original"),
    [
        ({}, True),
        ({"DateTime": "2020:05:01 12:31:40"}, True),
        ({"DateTime": "2020:05:02 12:30:45"}, False),
        ({"ExifImageWidth": 64, "ExifImageHeight": 48}, True),
        ({"ExifImageWidth": 48, "ExifImageHeight": 64}, True),
        ({"ExifImageWidth": 640, "ExifImageHeight": 480}, False),
        ({"Make": ""}, False),
        ({"DateTimeOriginal": "0000:00:00 00:00:00"}, False),
    ],
)
def test_which_files_are_originals(tags: dict[str, object], original: bool) -> None:
    own = {"Make": "Acme", "Model": "X1", "DateTimeOriginal": TAKEN, **tags}
    found = read_metadata(encoded(picture(1), exif=exif(**own)))
    assert found.is_camera_original is original


def test_the_size_is_that_of_the_upright_image() -> None:
    found = read_metadata(encoded(picture(1), exif=exif(Orientation=6)))
    assert (found.width, found.height) == (48, 64)


@pytest.mark.parametrize(
    ("kind", "options", "lossless"),
    [
        ("WEBP", {"lossless": True}, True),
        ("WEBP", {"lossless": True, "exif": exif(Make="Acme")}, True),
        ("WEBP", {"exif": exif(Make="Acme")}, False),
        ("TIFF", {"compression": "jpeg"}, False),
        ("GIF", {}, True),
        ("BMP", {}, True),
        ("PPM", {}, True),
    ],
)
def test_which_files_are_lossless(kind: str, options: dict[str, object], lossless: bool) -> None:
    assert read_metadata(encoded(picture(1), kind, **options)).lossless is lossless


def test_a_raw_file_is_known_by_its_name_or_its_tags() -> None:
    names = (b"a.DNG", b"b/c.cr2", b"d.nef", b"e.jpg", b"dng", b"a.dng.jpg")
    assert [is_raw_name(name) for name in names] == [True, True, True, False, False, False]
    preview = {254: 1}
    dng = Image.Exif()
    dng[0xC612] = b"\1\4\0\0"
    assert read_metadata(encoded(picture(1), "TIFF", tiffinfo=preview)).raw
    assert read_metadata(encoded(picture(1), "TIFF", exif=dng)).raw
    assert not read_metadata(encoded(picture(1), "TIFF")).raw


def test_damaged_tags_count_as_absent() -> None:
    block = exif(Make="Acme", Model="X1", DateTimeOriginal=TAKEN).tobytes()
    for end in range(6, len(block)):
        found = read_metadata(encoded(picture(1), "PNG", exif=block[:end]))
        assert (found.format, found.width, found.height) == ("PNG", 64, 48)
    webp = encoded(picture(1), "WEBP")
    huge = webp[:12] + b"JUNK" + struct.pack("<I", 2**32 - 1) + webp[12:]
    with pytest.raises(ImageRejected):
        read_metadata(huge)
