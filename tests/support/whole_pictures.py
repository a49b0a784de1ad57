"""Whole pictures in every coding of every format that embedtool reads, made without a file."""

import struct
import zlib
from functools import cache

import numpy as np
from PIL import Image, ImageCms
from support.pictures import encoded


@cache
def originals() -> list[tuple[str, bytes]]:
    """(format, bytes) of whole pictures: every coding of every format that embedtool reads."""
    rgb = _picture(0, "RGB")
    grey, cmyk, rgba = _picture(1, "L"), _picture(2, "CMYK"), _picture(3, "RGBA")
    palette, bits = _picture(4, "RGB").quantize(32), _picture(5, "L").convert("1")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    floats = Image.fromarray(np.asarray(grey).astype(np.float32) / 255)
    frames = [_picture(seed, "RGB") for seed in (6, 7, 8)]
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    tags: dict[str, object] = {"exif": exif, "icc_profile": _profile()}
    animation: dict[str, object] = {"save_all": True, "append_images": frames}
    pictures: list[tuple[str, Image.Image, dict[str, object]]] = [
        ("JPEG", rgb, {}),
        ("JPEG", rgb, {"progressive": True}),
        ("JPEG", cmyk, {"quality": 60}),
        ("JPEG", grey, {"progressive": True, "restart_marker_blocks": 4}),
        ("JPEG", rgb, {"subsampling": 0, "comment": "spoken", **tags}),
        ("PNG", rgb, tags),
        ("PNG", deep, {}),
        ("PNG", palette, {"transparency": 3}),
        ("PNG", rgba, {}),
        ("PNG", bits, {}),
        ("PNG", rgb, animation),
        ("GIF", palette, {}),
        ("GIF", frames[0], {"comment": "spoken", "transparency": 1, **animation}),
        ("WEBP", rgb, tags),
        ("WEBP", rgba, {"lossless": True}),
        ("WEBP", rgba, animation),
        ("BMP", rgb, {}),
        ("BMP", palette, {}),
        ("BMP", bits, {}),
        ("AVIF", rgb, tags),
        ("AVIF", rgba, {"quality": 40, "subsampling": "4:4:4"}),
        ("AVIF", frames[0], animation),
        ("PPM", rgb, {}),
        ("PPM", grey, {}),
        ("PPM", deep, {}),
        ("PPM", bits, {}),
        ("TIFF", bits, {"compression": "group4"}),
        ("TIFF", bits, {"compression": "group3"}),
        ("TIFF", cmyk, {"compression": "tiff_lzw"}),
        ("TIFF", floats, {"compression": "tiff_deflate"}),
        ("TIFF", palette, {"compression": "packbits"}),
        ("TIFF", deep, {}),
    ]
    ways = ("raw", "tiff_deflate", "tiff_lzw", "jpeg", "packbits", "zstd")
    pictures += [("TIFF", rgb, {"compression": way, **tags}) for way in ways]
    made = [(kind, encoded(image, kind, **options)) for kind, image, options in pictures]
    made += [("PNG", _interlaced(rgb)), ("PNG", _interlaced(palette)), ("BMP", _run_length())]
    made += [("TIFF", _planes(rgb)), ("PPM", _plain(rgb, 255)), ("PPM", _plain(grey, 1000))]
    return made


def _picture(seed: int, mode: str) -> Image.Image:
    random = np.random.default_rng(seed)
    bands = len(Image.new(mode, (1, 1)).getbands())
    small = random.integers(0, 256, (5, 6, bands), dtype=np.uint8)
    image = Image.fromarray(small.squeeze(), mode if mode != "CMYK" else "RGBA")
    image = image.resize((121, 90), Image.Resampling.BICUBIC)
    return Image.frombytes(mode, image.size, image.tobytes())


def _profile() -> bytes:
    """A profile that differs from sRGB in name, so that it is applied."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile[:24] + bytes(12) + profile[36:]  # when it was made: the same bytes each time
    return profile.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))


def _interlaced(image: Image.Image) -> bytes:
    """A PNG in the seven passes of Adam7, which Pillow reads and does not write."""
    samples = np.asarray(image)
    rows = b""
    for x, y, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        rows += b"".join(b"\0" + row.tobytes() for row in samples[y::dy, x::dx])
    colour = 3 if image.mode == "P" else 2
    header = struct.pack(">IIBBBBB", *image.size, 8, colour, 0, 0, 1)
    chunks = [(b"IHDR", header)]
    if image.mode == "P":
        chunks.append((b"PLTE", bytes(image.getpalette() or [])))
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n"
    for name, content in chunks:
        data += struct.pack(">I", len(content)) + name + content
        data += struct.pack(">I", zlib.crc32(name + content))
    return data


def _run_length() -> bytes:
    """A BMP in eight-bit run-length coding: 60 lines of 100 pixels."""
    lines = b"".join(bytes([60, line, 0, 4, 1, 2, 3, 4, 36, 7, 0, 0]) for line in range(60))
    lines += b"\0\1"
    palette = bytes(range(256)) * 4
    start = 14 + 40 + len(palette)
    header = struct.pack("<2sIHHI", b"BM", start + len(lines), 0, 0, start)
    header += struct.pack("<IiiHHIIiiII", 40, 100, 60, 1, 8, 1, len(lines), 0, 0, 256, 0)
    return header + palette + lines


def _planes(image: Image.Image) -> bytes:
    """A TIFF of three planes, a strip each."""
    planes = [band.tobytes() for band in image.split()]
    entries = [(256, 3, image.width), (257, 3, image.height), (259, 3, 1), (262, 3, 2), (277, 3, 3)]
    entries += [(278, 3, image.height), (284, 3, 2)]
    at = 8 + 2 + 12 * (len(entries) + 3) + 4
    extra = struct.pack("<3H", 8, 8, 8) + struct.pack("<3I", *map(len, planes))
    first = at + len(extra) + 12
    offsets = struct.pack("<3I", *(first + n * len(planes[0]) for n in range(3)))
    rows = {tag: struct.pack("<HHIHH", tag, kind, 1, value, 0) for tag, kind, value in entries}
    rows[258] = struct.pack("<HHII", 258, 3, 3, at)
    rows[279] = struct.pack("<HHII", 279, 4, 3, at + 6)
    rows[273] = struct.pack("<HHII", 273, 4, 3, at + len(extra))
    body = b"".join(rows[tag] for tag in sorted(rows))
    head = b"II*\0" + struct.pack("<IH", 8, len(rows)) + body + bytes(4)
    return head + extra + offsets + b"".join(planes)


def _plain(image: Image.Image, most: int) -> bytes:
    """A PPM or PGM in text."""
    samples = np.asarray(image).astype(int) * most // 255
    kind = 3 if samples.ndim == 3 else 2
    head = f"P{kind}\n# spoken\n{image.width} {image.height}\n{most}\n"
    return (head + " ".join(map(str, samples.ravel()))).encode()
