"""Files made to stall a decoder are rejected, and limits on memory change no pixel."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from support.broken_pictures import SIDE
from support.pictures import encoded, picture
from support.whole_pictures import originals

from embedtool.errors import ImageRejected
from embedtool.images import colour, open_image
from embedtool.images.decode import decode_image


def many_scans(image: Image.Image, count: int) -> bytes:
    """A progressive JPEG whose last scan comes `count` times more."""
    data = encoded(image, progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * count + data[-2:]


def one_scan_a_colour(image: Image.Image, count: int) -> bytes:
    """A baseline JPEG of three colours, each `count` times in a scan of its own."""
    data = encoded(image.convert("L"))
    frame, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    end = frame + 2 + int.from_bytes(data[frame + 2 : frame + 4], "big")
    header = b"\xff\xc0\0\x11" + data[frame + 4 : frame + 9] + b"\x03"
    header += b"".join(bytes([colour]) + data[frame + 11 : end] for colour in (1, 2, 3))
    coded = data[scan:-2]
    scans = b"".join(coded[:5] + bytes([colour]) + coded[6:] for colour in (1, 2, 3))
    return data[:frame] + header + data[end:scan] + scans * count + data[-2:]


def hidden_scans(image: Image.Image, count: int, before: bytes) -> bytes:
    """Scans of one colour each, after bytes that lead a reader of segments to a 3."""
    data = encoded(image, "JPEG", subsampling=0)
    scan = data.index(b"\xff\xda")
    empty = b"\xff\xda\0\x08\1%c\0\0\x3f\0"
    comment = b"\xff\xfe" + (65_000).to_bytes(2, "big") + b"\3" * 64_998
    scans = [empty % (1 + n % 3) + b"\0" for n in range(count)]
    return data[:scan] + before + scans[0] + comment + b"".join(scans[1:]) + data[-2:]


def test_a_jpeg_of_endless_scans_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(1, (96, 96))
    whole = many_scans(image, 0), one_scan_a_colour(image, 1)
    stalling: tuple[bytes, ...] = (many_scans(image, 50), one_scan_a_colour(image, 20))
    # Decoders skip a fill byte or other bytes before a segment.
    stalling += tuple(hidden_scans(image, 60, before) for before in (b"\xff", b"\0", b"\xff\0"))
    for data in whole + stalling:
        decode_image(data, 32)  # of this size none can stall
    monkeypatch.setattr(open_image, "MAX_SCANNED", 15 * 96 * 96)
    for data in whole:
        decode_image(data, 32)
    for data, scans in zip(stalling, [60] * 5, strict=True):
        with pytest.raises(ImageRejected, match=f"^too many scans: {scans} of 96x96 pixels$"):
            decode_image(data, 32)
    photo_with_a_thumbnail = Image.Exif()
    photo_with_a_thumbnail[0x010E] = "\xff\xda" * 40
    decode_image(encoded(image, exif=photo_with_a_thumbnail), 32)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def test_a_header_of_endless_pieces_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    png, jpeg, gif = (encoded(picture(2), kind) for kind in ("PNG", "JPEG", "GIF"))
    block = gif.index(b",", 13 + 3 * 256)
    monkeypatch.setattr(open_image._Reader, "left", 1000)
    stalling = [
        png[:33] + chunk(b"abCd", b"") * 1000 + png[33:],
        jpeg[:2] + b"\xff" * 2000 + jpeg[2:],
        gif[:block] + b"!\xfe\1c\0" * 1000 + gif[block:],
        b"P6 40 40 100 " + bytes(40 * 40 * 3),  # a sample at a time, for its odd maximum
        b"P6" + b" " * 2000 + b"1 1 255 abc",
    ]
    for data in stalling:
        with pytest.raises(ImageRejected, match="expected at most 1,000,000 chunks in the file"):
            decode_image(data, 32)
    for data in (png, jpeg, gif):
        decode_image(data, 32)


@pytest.mark.parametrize("limit", ["MAX_TEXT", "MAX_COMMENTS"])
def test_a_long_ppm_in_text_is_rejected(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"P3 2 1 255\n" + b"#\n" * 20 + b"1 2 3 4 5 6\n"
    assert decode_image(data, 1).max() > 0
    monkeypatch.setattr(open_image, limit, 19)
    with pytest.raises(ImageRejected, match="text PPM"):
        decode_image(data, 1)


def test_strips_change_no_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [decode_image(data, SIDE) for _, data in originals()]
    monkeypatch.setattr(colour, "STRIP", 300)
    for (kind, data), expected in zip(originals(), whole, strict=True):
        assert (decode_image(data, SIDE) == expected).all(), kind


def test_integer_samples_are_scaled() -> None:
    samples = np.full((8, 8), -70_000, np.int32)
    samples[4:] = 70_000
    samples[0] = 0
    image = Image.fromarray(samples)
    assert image.mode == "I"
    assert decode_image(encoded(image, "TIFF"), 8)[:, 0, 0].tolist() == [128] + [0] * 3 + [255] * 4
