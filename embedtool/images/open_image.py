"""Read the header of an image file with Pillow, within limits on pixels and work.

`Image.open` is not used, because it warns and raises above Pillow's own pixel limit, which belongs
to the host. Instead, the plug-in of the format is called directly, with our own limit.
"""

import io
import struct
from importlib import import_module

from PIL import Image

from embedtool.errors import ImageRejected
from embedtool.images.formats import HEAD, sniff

MAX_PIXELS = 100_000_000  # a 100-megapixel scan is 300 MB as RGB: what a laptop has free
# Limits against small files that keep a decoder busy for hours. Each is about 2 seconds of work.
MAX_SCANNED = 20 * MAX_PIXELS  # pixels of a JPEG times its scans; encoders make 10 or 12
MAX_READS = 1_000_000  # pieces that Pillow reads one by one: chunks, markers, odd PPM samples
MAX_TEXT = 4 << 20  # bytes of a PPM in text form, which Pillow reads in Python
MAX_COMMENTS = 10_000  # comments in it: Pillow copies a megabyte for each
PLUGINS = {  # Pillow's module for each format, imported for the first image of the format
    "JPEG": "Jpeg",
    "PNG": "Png",
    "GIF": "Gif",
    "WEBP": "WebP",
    "TIFF": "Tiff",
    "BMP": "Bmp",
    "AVIF": "Avif",
    "PPM": "Ppm",
}
START_OF_SCAN = b"\xff\xda"
# The second byte of JPEG segments that have a length, and are before the first scan.
SEGMENTS = frozenset({*range(0xC0, 0xD0), *range(0xDB, 0xFF)} - {0xDA})
TEXT_PPM = (b"P1", b"P2", b"P3")


def open_image(data: bytes) -> Image.Image:
    """Return an image with only its header read. Raises ImageRejected beyond the limits."""
    if not data:
        raise ImageRejected("decode", "empty file")
    kind = sniff(data[:HEAD])
    if kind == "HEIC":
        raise ImageRejected("decode", "HEIC is not supported: save it as JPEG or PNG")
    if kind is None:
        raise ImageRejected("decode", "not an image in a supported format")
    if data[:2] in TEXT_PPM and (len(data) > MAX_TEXT or data.count(b"#") > MAX_COMMENTS):
        raise ImageRejected("decode", f"text PPM over {MAX_TEXT:,} bytes: save it as PNG")
    image = _read_header(kind, data)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise over_limit()
    if kind == "JPEG" and width * height * (scans := _scans(image, data)) > MAX_SCANNED:
        raise ImageRejected("decode", f"too many scans: {scans:,} of {width}x{height} pixels")
    return image


def over_limit() -> ImageRejected:
    return ImageRejected("decode", f"over {MAX_PIXELS:,} pixels")


def load_plugin(kind: str) -> None:
    """Register Pillow's reader and writer of a format."""
    import_module(f"PIL.{PLUGINS[kind]}ImagePlugin")


def _read_header(kind: str, data: bytes) -> Image.Image:
    """Read the header as `Image.open` does, without its limit."""
    load_plugin(kind)
    factory, accepts = Image.OPEN[kind]
    file = _Reader(data)
    try:
        if accepts is None or accepts(file.read(HEAD)) is True:
            file.seek(0)
            return factory(file, "")
    except (SyntaxError, IndexError, TypeError, struct.error):
        pass
    raise ImageRejected("decode", "broken: its header cannot be read")


class _Reader(io.BytesIO):
    """The bytes of a file, with a limit on the number of reads."""

    left = MAX_READS

    def read(self, size: int | None = -1, /) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise ImageRejected(
                "decode", f"expected at most {MAX_READS:,} chunks in the file, received more"
            )
        return super().read(size)


def _scans(image: Image.Image, data: bytes) -> int:
    """Return the number of scans of a JPEG: 1, without a search, if the first has all the data."""
    at = 2
    # Segments with a length, one after the other. Decoders skip other bytes between them, and then
    # this would read a number elsewhere.
    while data[at : at + 1] == b"\xff" and data[at + 1] in SEGMENTS:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    components = int.from_bytes(data[at + 4 : at + 5], "big")
    first = data[at : at + 2] == START_OF_SCAN
    if first and "progressive" not in image.info and components == len(image.getbands()):
        return 1
    return data.count(START_OF_SCAN)
