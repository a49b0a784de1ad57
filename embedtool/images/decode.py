"""The one pixel contract: bytes of an image file -> RGB uint8 (s, s, 3).

Index, query, bench and every later task call `decode_image`; nothing else turns bytes into pixels.
The policy is named in every fingerprint, so vectors of two policies never mix.
"""

import io
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from embedtool.core.types import Pixels
from embedtool.errors import ImageRejected
from embedtool.images.formats import HEAD, sniff

if TYPE_CHECKING:
    from PIL import ImageCms
# Measured on the clothing photos with the full network (linear probe / precision@10): the centred
# square beats stretching (0.889 / 0.734 against 0.878 / 0.711) and letterboxing (0.871 / 0.683);
# the filters are equal within noise (0.889 to 0.895 / 0.727 to 0.737), and box is the fastest.
POLICY = "centre-square box-down bilinear-up srgb v1"
MAX_PIXELS = 100_000_000  # a 100-megapixel scan is 300 MB as RGB: what a laptop can spare
# Small files that keep a decoder busy for hours; each limit is some 2 seconds of work.
MAX_SCANNED = 20 * MAX_PIXELS  # pixels of a JPEG times its scans; encoders make 10 or 12
MAX_READS = 1_000_000  # pieces that Pillow reads one by one: chunks, markers, odd PPM samples
MAX_TEXT = 4 << 20  # bytes of a PPM in text, which Pillow reads in Python,
MAX_COMMENTS = 10_000  # and its comments, each of which moves a megabyte
STRIP = 1 << 20  # pixels converted at a time: their copies stay small beside the picture
PLUGINS = {  # Pillow's module for each format, imported at its first picture
    "JPEG": "Jpeg",
    "PNG": "Png",
    "GIF": "Gif",
    "WEBP": "WebP",
    "TIFF": "Tiff",
    "BMP": "Bmp",
    "AVIF": "Avif",
    "PPM": "Ppm",
}
TEXT_PPM = (b"P1", b"P2", b"P3")
EXIF_ORIENTATION = 0x0112
UPRIGHT = {  # what undoes each orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Pillow warns above its own limit and raises at twice that; here the one limit is an error.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)
# What it says of odd tags in a picture it can read is not for the terminal.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())


def decode_image(data: bytes, size: int) -> Pixels:
    """Return the centred square of an image, upright, in sRGB, as uint8 (size, size, 3).

    Alpha is composited on white, 16-bit samples are scaled to 8 bits, float and 32-bit images are
    scaled from their own minimum and maximum, and of an animation the first frame counts.
    Raises ImageRejected (stage "decode") for anything that is not one whole image within limits.
    """
    with _refusals():
        image = _open(data, size)
        width, height = image.size
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        kernel = Image.Resampling.BOX if side >= size else Image.Resampling.BILINEAR
        square = image.resize((size, size), kernel, box=(left, top, left + side, top + side))
        return np.asarray(_srgb(square))


def thumbnail(data: bytes, side: int, *, kind: str = "JPEG", quality: int = 80) -> bytes:
    """Return the whole image, upright and at most `side` pixels long, as JPEG or WEBP bytes."""
    import_module(f"PIL.{PLUGINS[kind]}ImagePlugin")
    with _refusals():
        image = _open(data, side)
        image.thumbnail((side, side), Image.Resampling.BOX)
        out = io.BytesIO()
        _srgb(image).save(out, kind, quality=quality)
        return out.getvalue()


def taken(data: bytes) -> datetime | None:
    """When a photo was taken, by the clock of its camera; None where its EXIF does not tell."""
    try:
        with _refusals():
            told = _identify(data).getexif().get_ifd(ExifTags.IFD.Exif)
            when = str(told[ExifTags.Base.DateTimeOriginal])
            return datetime.strptime(when[:19], "%Y:%m:%d %H:%M:%S")
    except ImageRejected:
        return None


def image_size(data: bytes) -> tuple[int, int]:
    """Width and height as the header has them, before any EXIF turn; no pixel is decoded."""
    with _refusals():
        return _identify(data).size


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn whatever Pillow raises on odd bytes into one ImageRejected of stage "decode"."""
    try:
        yield
    except ImageRejected:
        raise
    except UnidentifiedImageError:
        raise ImageRejected("decode", "broken: its header cannot be read") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageRejected("decode", f"over {MAX_PIXELS:,} pixels") from None
    except Exception as error:  # Pillow's plug-ins raise almost anything on hostile bytes
        reason = str(error).strip() or "no reason given"
        raise ImageRejected("decode", f"{type(error).__name__}: {reason}") from error


def _open(data: bytes, size: int) -> Image.Image:
    """Return an upright 8-bit L, RGB or CMYK image; JPEG at the smallest scale that still covers
    (size, size)."""
    image = _identify(data)
    image.draft(image.mode, (size, size))  # JPEG alone: decodes at 1/2, 1/4 or 1/8
    image.load()
    # Read after load: the TIFF plug-in turns the picture itself and then clears the tag.
    turn = UPRIGHT.get(image.getexif().get(EXIF_ORIENTATION, 1))
    image = _eight_bit(image)
    if turn is None:
        return image
    # Before the resize: Pillow's box filter is not the same from the left and from the right.
    upright = image.transpose(turn)
    upright.info["icc_profile"] = image.info.get("icc_profile")
    return upright


def _identify(data: bytes) -> Image.Image:
    """Return an image of which only the header was read, within limits."""
    if not data:
        raise ImageRejected("decode", "empty file")
    kind = sniff(data[:HEAD])
    if kind == "HEIC":
        raise ImageRejected("decode", "HEIC is not supported: save it as JPEG or PNG")
    if kind is None:
        raise ImageRejected("decode", "not an image of a known format")
    if data[:2] in TEXT_PPM and (len(data) > MAX_TEXT or data.count(b"#") > MAX_COMMENTS):
        raise ImageRejected("decode", f"a PPM in text of over {MAX_TEXT:,} bytes: save it as PNG")
    import_module(f"PIL.{PLUGINS[kind]}ImagePlugin")
    image: Image.Image = Image.open(_Reader(data), formats=(kind,))
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageRejected("decode", f"{width}x{height} is over {MAX_PIXELS:,} pixels")
    if kind == "JPEG" and width * height * (scans := _scans(image, data)) > MAX_SCANNED:
        raise ImageRejected("decode", f"{scans:,} scans of {width}x{height} pixels: made to stall")
    return image


class _Reader(io.BytesIO):
    """The bytes of a file, read in so many pieces and no more."""

    left = MAX_READS

    def read(self, size: int | None = -1, /) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise ImageRejected("decode", f"in over {MAX_READS:,} pieces: made to stall")
        return super().read(size)


def _scans(image: Image.Image, data: bytes) -> int:
    """How many scans a JPEG has; 1 without a search where its first holds all there is."""
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":  # start of scan
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    components = int.from_bytes(data[at + 4 : at + 5], "big")
    if "progressive" not in image.info and components == len(image.getbands()):
        return 1
    return data.count(b"\xff\xda")


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode in ("RGB", "L", "CMYK") and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        flat = _grey(image, partial(_sixteen_bit, blank=image.info.get("transparency")))
    elif image.has_transparency_data:
        flat = Image.new("RGB", image.size)
        for top, strip in _strips(image):
            white = Image.new("RGBA", strip.size, "white")
            white.alpha_composite(strip.convert("RGBA"))
            flat.paste(white.convert("RGB"), (0, top))
    elif image.mode in ("I", "F"):
        flat = _grey(image, partial(_scaled, extremes=_extremes(image)))
    else:
        flat = image.convert("RGB")
    flat.info["icc_profile"] = image.info.get("icc_profile")
    return flat


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Pieces of some whole rows, each with the row it begins at."""
    rows = max(1, STRIP // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _grey(image: Image.Image, eight_bit: Callable[[npt.NDArray[Any]], Pixels]) -> Image.Image:
    flat = Image.new("L", image.size)
    for top, strip in _strips(image):
        flat.paste(Image.fromarray(eight_bit(np.asarray(strip))), (0, top))
    return flat


def _sixteen_bit(samples: npt.NDArray[Any], blank: int | None) -> Pixels:
    wide = samples.astype(np.uint32)
    grey = ((wide + 128) // 257).astype(np.uint8)
    if blank is not None:  # one sample value that stands for nothing
        grey[wide == blank] = 255
    return grey


def _extremes(image: Image.Image) -> tuple[float, float]:
    """The least and the greatest finite sample."""
    low, high = np.inf, -np.inf
    for _, strip in _strips(image):
        samples = np.asarray(strip, np.float64)
        finite = samples[np.isfinite(samples)]
        low, high = finite.min(initial=low), finite.max(initial=high)
    if low > high:
        raise ImageRejected("decode", "no finite sample in the image")
    return float(low), float(high)


def _scaled(samples: npt.NDArray[Any], extremes: tuple[float, float]) -> Pixels:
    low, high = extremes
    clean = np.where(np.isfinite(samples), samples, low).astype(np.float64)
    scaled: Pixels = np.rint((clean - low) * (255 / max(high - low, 1e-300))).astype(np.uint8)
    return scaled


def _srgb(image: Image.Image) -> Image.Image:
    """Apply an embedded colour profile, on the small picture, and return RGB."""
    profile = image.info.get("icc_profile")
    transform = _to_srgb(profile, image.mode) if profile else None
    if transform is None:
        return image.convert("RGB")
    with _lcms:
        return transform.apply(image)


_lcms = threading.Lock()


@lru_cache(maxsize=32)
def _to_srgb(profile: bytes, mode: str) -> "ImageCms.ImageCmsTransform | None":
    """The transform of an ICC profile to sRGB; None where it is sRGB already or unusable."""
    from PIL import ImageCms  # few pictures need it

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return None
        target = ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(source, target, mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None  # the pixels are whole, only their profile is not: read them as sRGB
