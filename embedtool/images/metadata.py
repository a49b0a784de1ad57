"""Read what an image file records about itself: its encoding, its size, its camera, its dates.

EXIF is read here and, for the orientation of the pixels, in `orientation`. Tags are what their
writer put there: a tag that cannot be read counts as absent.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from PIL import ExifTags, Image

from embedtool.images.orientation import EXIF_ORIENTATION

RAW_EXTENSIONS = frozenset(
    b".3fr .ari .arw .cr2 .cr3 .crw .dcr .dng .erf .fff .iiq .k25 .kdc .mef .mos .mrw .nef .nrw "
    b".orf .pef .ptx .raf .raw .rw2 .rwl .sr2 .srf .srw .x3f".split()
)
DNG_VERSION, SUBFILE_TYPE, REDUCED = 0xC612, 0x00FE, 1  # a RAW file begins with a small preview
LOSSLESS = frozenset({"PNG", "GIF", "BMP", "PPM", "TIFF"})
LOSSY_TIFF = frozenset({"jpeg", "tiff_jpeg", "webp"})
SAVED_AT_ONCE = timedelta(minutes=1)  # a camera writes a file soon after it took the picture


@dataclass(frozen=True)
class Metadata:
    """format: Pillow's name. width, height: of the upright image, in pixels. raw: whether only the
    preview in a camera's RAW file can be decoded. taken: by the camera's clock. altered: whether
    EXIF says that the image was saved again, or resized, after it was taken."""

    format: str
    width: int
    height: int
    lossless: bool
    raw: bool
    make: str
    model: str
    taken: datetime | None
    altered: bool

    @property
    def camera(self) -> str:
        """The make and the model, or "" if either is not recorded."""
        if not (self.make and self.model):
            return ""
        return self.model if self.model.startswith(self.make) else f"{self.make} {self.model}"

    @property
    def is_camera_original(self) -> bool:
        """Whether the file says that a camera took it, when, and that nothing changed it since."""
        return bool(self.camera and self.taken and not self.altered)


def is_raw_name(path: bytes) -> bool:
    """Return whether a file has the extension of a camera's RAW format."""
    return os.path.splitext(path)[1].lower() in RAW_EXTENSIONS


def to_json(image: Image.Image, data: bytes) -> bytes:
    """Return the metadata of an opened image as JSON, for `from_json` in another process."""
    exif, details = _tags(image)
    width, height = image.size
    if exif.get(EXIF_ORIENTATION) in (5, 6, 7, 8):
        width, height = height, width
    taken = _date(details, ExifTags.Base.DateTimeOriginal)
    saved = _date(exif, ExifTags.Base.DateTime)
    recorded = [details.get(tag) for tag in (0xA002, 0xA003)]  # PixelXDimension, PixelYDimension
    resized = None not in recorded and sorted(map(str, recorded)) != sorted(map(str, image.size))
    record = {
        "format": image.format or "",
        "width": width,
        "height": height,
        "lossless": _is_lossless(image, data),
        "raw": DNG_VERSION in exif or exif.get(SUBFILE_TYPE) == REDUCED or data[8:10] == b"CR",
        "make": _text(exif, ExifTags.Base.Make),
        "model": _text(exif, ExifTags.Base.Model),
        "taken": taken and taken.isoformat(),
        "altered": resized or bool(taken and saved and saved - taken > SAVED_AT_ONCE),
    }
    return json.dumps(record).encode()


def from_json(record: bytes) -> Metadata:
    found = json.loads(record)
    taken = found.pop("taken")
    return Metadata(**found, taken=datetime.fromisoformat(taken) if taken else None)


def _tags(image: Image.Image) -> tuple[Mapping[int, Any], Mapping[int, Any]]:
    """Return the main tags and those of the Exif block. Damaged ones are left out."""
    main: Mapping[int, Any] = {}
    try:
        main = image.getexif()
        return main, image.getexif().get_ifd(ExifTags.IFD.Exif)
    except Warning:
        raise
    except Exception:  # Pillow raises almost anything on damaged tags
        return main, {}


def _is_lossless(image: Image.Image, data: bytes) -> bool:
    if image.format == "WEBP":
        return _has_chunk(data, b"VP8L")
    if image.format == "TIFF":
        return image.info.get("compression") not in LOSSY_TIFF
    return image.format in LOSSLESS


def _has_chunk(data: bytes, name: bytes) -> bool:
    """Return whether a RIFF file has a chunk of this name."""
    at = 12
    while data[at : at + 4] not in (name, b""):
        at += 8 + (int.from_bytes(data[at + 4 : at + 8], "little") + 1) // 2 * 2
    return data[at : at + 4] == name


def _text(tags: Mapping[int, Any], tag: int) -> str:
    value = tags.get(tag)
    return " ".join(value.replace("\0", " ").split()) if isinstance(value, str) else ""


def _date(tags: Mapping[int, Any], tag: int) -> datetime | None:
    try:
        return datetime.strptime(str(tags.get(tag))[:19], "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
