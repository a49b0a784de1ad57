"""Decode images: bytes of a file -> RGB uint8 (s, s, 3).

Index, query, bench and all other tasks call `decode_image`; nothing else turns bytes into pixels.
The policy is part of every fingerprint, so vectors of two policies are never mixed.

Pillow warns about odd tags and rejects images above its own pixel limit. That limit and the warning
filters belong to the host and are shared by all its threads, so they are not changed here. If they
stop an image (warnings turned into errors, a lower limit), a worker process decodes it instead,
which takes a fraction of a second more and gives the same pixels. Otherwise, warnings go through
the host's filters, as with any other use of Pillow. One setting of the host has an effect: with
ImageFile.LOAD_TRUNCATED_IMAGES, truncated files are read and not rejected.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime

import numpy as np
from PIL import Image

from embedtool.core.types import Pixels
from embedtool.errors import ImageRejected
from embedtool.images.colour import eight_bit, srgb
from embedtool.images.metadata import Metadata, from_json, to_json
from embedtool.images.open_image import MAX_PIXELS, load_plugin, open_image, over_limit
from embedtool.images.orientation import upright_turn

# Measured on the clothing photos with the full network (linear probe / precision@10): the centred
# square beats stretching (0.889 / 0.734 against 0.878 / 0.711) and letterboxing (0.871 / 0.683);
# the filters are equal within noise (0.889 to 0.895 / 0.727 to 0.737), and box is the fastest.
POLICY = "centre-square box-down bilinear-up srgb v1"


def decode_image(data: bytes, size: int) -> Pixels:
    """Return the centred square of an image, upright, in sRGB, as uint8 (size, size, 3).

    Alpha is composited on white, 16-bit samples are scaled to 8 bits, float and 32-bit images are
    scaled from their own minimum and maximum, and only the first frame of an animation is used.
    Raises ImageRejected (stage "decode") for anything but a complete image within the limits.
    """
    return np.frombuffer(_run("pixels", data, size), np.uint8).reshape(size, size, 3)


def decode_square_and_whole(data: bytes, size: int, side: int) -> tuple[Pixels, Pixels]:
    """Return the square (size, size, 3) of `decode_image`, and the whole image, upright, stretched
    to a square (side, side, 3), side <= size. The file is decoded once. Raises ImageRejected."""
    both = np.frombuffer(_run("square and whole", data, size, side), np.uint8)
    square, whole = both[: 3 * size**2], both[3 * size**2 :]
    return square.reshape(size, size, 3), whole.reshape(side, side, 3)


def decode_whole(data: bytes, side: int) -> Pixels:
    """Return the whole image, upright, stretched to a square (side, side, 3).

    A JPEG is decoded at the smallest scale that suffices. Raises ImageRejected."""
    return np.frombuffer(_run("whole", data, side), np.uint8).reshape(side, side, 3)


def image_pixels(image: Image.Image, size: int) -> Pixels:
    """Return the pixels of an image in memory, nearly as `decode_image` does for its file.

    `decode_image` decodes a large JPEG at a smaller scale. An image that was decoded at full size,
    from a JPEG or from an unknown format, is reduced to that scale by averaging: the cosine of the
    two vectors is over 0.996 (40 clothing photos, builtin; 0.98 without), and 1 if no scale
    applies. The image itself is not changed. Raises ImageRejected.
    """
    with _rejections():
        upright = _turned(image)
        scale = min(min(image.size) // size, 8)
        if image.format in ("JPEG", None) and scale > 1:
            reduced = upright.reduce(1 << scale.bit_length() - 1)
            reduced.info["icc_profile"] = upright.info.get("icc_profile")
            upright = reduced
        square = _square(upright, size)
    return np.frombuffer(square, np.uint8).reshape(size, size, 3)


def thumbnail(data: bytes, side: int, *, kind: str = "JPEG", quality: int = 80) -> bytes:
    """Return the whole image, upright and at most `side` pixels long, as JPEG or WEBP bytes."""
    return _run("thumbnail", data, side, kind, quality)


def date_taken(data: bytes) -> datetime | None:
    """Return when a photo was taken, by the camera's clock, or None if its EXIF does not say."""
    try:
        return read_metadata(data).taken
    except ImageRejected:
        return None


def read_metadata(data: bytes) -> Metadata:
    """Return what the header and the EXIF of an image say. No pixel is decoded.

    Raises ImageRejected.
    """
    return from_json(_run("metadata", data))


def image_size(data: bytes) -> tuple[int, int]:
    """Return width and height from the header, before any EXIF rotation. No pixel is decoded."""
    width, height = _run("size", data).split()
    return int(width), int(height)


def _run(task: str, data: bytes, *arguments: int | str) -> bytes:
    try:
        return run_task(task, data, *arguments)
    except (Warning, Image.DecompressionBombError):
        from embedtool.images.decode_process import DecodeProcesses

        with closing(DecodeProcesses()) as processes:
            return processes.run(task, data, *arguments)


def run_task(task: str, data: bytes, *arguments: int | str) -> bytes:
    """Run one of TASKS in this process.

    Raises ImageRejected. If the settings of this process stop the image, raises a Warning, or a
    DecompressionBombError below our own limit.
    """
    with _rejections():
        return TASKS[task](data, *arguments)


@contextmanager
def _rejections() -> Iterator[None]:
    """Convert anything that Pillow raises on bad bytes to ImageRejected of stage "decode"."""
    try:
        yield
    except (ImageRejected, Warning):
        raise
    except Image.DecompressionBombError:  # raised at twice Pillow's limit
        if 2 * (Image.MAX_IMAGE_PIXELS or 0) < MAX_PIXELS:
            raise
        raise over_limit() from None
    except MemoryError:
        raise ImageRejected("decode", "not enough memory") from None
    except Exception as error:  # Pillow's plug-ins raise almost anything on hostile bytes
        reason = str(error).strip() or "no reason given"
        raise ImageRejected("decode", f"{type(error).__name__}: {reason}") from error


def _pixels(data: bytes, size: int) -> bytes:
    return _square(_upright(data, size), size)


def _square(image: Image.Image, size: int) -> bytes:
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    kernel = Image.Resampling.BOX if side >= size else Image.Resampling.BILINEAR
    square = image.resize((size, size), kernel, box=(left, top, left + side, top + side))
    return srgb(square).tobytes()


def _thumbnail(data: bytes, side: int, kind: str, quality: int) -> bytes:
    load_plugin(kind)
    image = _upright(data, side)
    image.thumbnail((side, side), Image.Resampling.BOX)
    out = io.BytesIO()
    srgb(image).save(out, kind, quality=quality)
    return out.getvalue()


def _square_and_whole(data: bytes, size: int, side: int) -> bytes:
    image = _upright(data, size)
    return _square(image, size) + _stretched(image, side)


def _whole(data: bytes, side: int) -> bytes:
    return _stretched(_upright(data, side), side)


def _stretched(image: Image.Image, side: int) -> bytes:
    return srgb(image.resize((side, side), Image.Resampling.BILINEAR)).tobytes()


def _metadata(data: bytes) -> bytes:
    return to_json(open_image(data), data)


def _size(data: bytes) -> bytes:
    return b"%d %d" % open_image(data).size


TASKS: dict[str, Callable[..., bytes]] = {
    "pixels": _pixels,
    "thumbnail": _thumbnail,
    "square and whole": _square_and_whole,
    "whole": _whole,
    "metadata": _metadata,
    "size": _size,
}


def _upright(data: bytes, size: int) -> Image.Image:
    """Return an upright 8-bit L, RGB or CMYK image; JPEG at the smallest scale that still covers
    (size, size)."""
    image = open_image(data)
    image.draft(image.mode, (size, size))  # JPEG only: decodes at 1/2, 1/4 or 1/8
    return _turned(image)


def _turned(image: Image.Image) -> Image.Image:
    image.load()
    turn = upright_turn(image)
    image = eight_bit(image)
    if turn is None:
        return image
    # Before the resize, because Pillow's box filter is not symmetric.
    upright = image.transpose(turn)
    upright.info["icc_profile"] = image.info.get("icc_profile")
    return upright
