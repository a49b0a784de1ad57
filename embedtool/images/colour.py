"""Colour conversion of an opened image: any mode of Pillow -> 8 bits per sample, on white, sRGB."""

import io
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from embedtool.core.types import Pixels
from embedtool.errors import ImageRejected

if TYPE_CHECKING:
    from PIL import ImageCms
STRIP = 1 << 20  # pixels converted at a time: their copies are small compared to the image


def eight_bit(image: Image.Image) -> Image.Image:
    """Return an image as opaque L, RGB or CMYK, with its colour profile."""
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


def srgb(image: Image.Image) -> Image.Image:
    """Apply an embedded colour profile and return RGB. This is slow: use it on small images."""
    profile = image.info.get("icc_profile")
    transform = _to_srgb(profile, image.mode) if profile else None
    if transform is None:
        return image.convert("RGB")
    with _lcms:
        return transform.apply(image)


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield strips of whole rows, each with the number of its first row."""
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
    if blank is not None:  # the sample value that means transparent
        grey[wide == blank] = 255
    return grey


def _extremes(image: Image.Image) -> tuple[float, float]:
    """Return the smallest and the largest finite sample."""
    low, high = np.inf, -np.inf
    for _, strip in _strips(image):
        samples = np.asarray(strip, np.float64)
        finite = samples[np.isfinite(samples)]
        low, high = finite.min(initial=low), finite.max(initial=high)
    if low > high:
        raise ImageRejected("decode", "the image has no finite pixel value")
    return float(low), float(high)


def _scaled(samples: npt.NDArray[Any], extremes: tuple[float, float]) -> Pixels:
    low, high = extremes
    clean = np.where(np.isfinite(samples), samples, low).astype(np.float64)
    scaled: Pixels = np.rint((clean - low) * (255 / max(high - low, 1e-300))).astype(np.uint8)
    return scaled


_lcms = threading.Lock()


@lru_cache(maxsize=32)
def _to_srgb(profile: bytes, mode: str) -> "ImageCms.ImageCmsTransform | None":
    """Return the transform of an ICC profile to sRGB, or None if it is sRGB or unusable."""
    from PIL import ImageCms  # few images need it

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return None
        target = ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(source, target, mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None  # only the profile is broken: read the pixels as sRGB
