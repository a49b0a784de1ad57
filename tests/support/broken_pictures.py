"""Seeded damage: generated pictures of every format, broken in every way we could think of.

Run as a program it is the child that decodes them: `mutations.py FIRST LAST STEP` decodes the
mutants FIRST, FIRST + STEP, ... below LAST and prints one line of JSON for each. A crash or a hang
is then seen by the parent, which knows the last number printed.
"""

import faulthandler
import io
import json
import os
import random
import resource
import struct
import sys
import time
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageCms

SIDE = 96  # pixels asked of the decoder
HANG_SECONDS = 60  # on a busy machine; the limit on processor time is the test's


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
    tags = {"exif": exif, "icc_profile": _profile()}
    animation = {"save_all": True, "append_images": frames}
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
    made = [(kind, _encoded(image, kind, options)) for kind, image, options in pictures]
    made += [("PNG", _interlaced(rgb)), ("PNG", _interlaced(palette)), ("BMP", _run_length())]
    made += [("TIFF", _planes(rgb)), ("PPM", _plain(rgb, 255)), ("PPM", _plain(grey, 1000))]
    return made


def mutant(number: int) -> tuple[str, bytes]:
    """The format and the bytes of broken picture `number`; the same number gives the same bytes."""
    dice = random.Random(number)
    whole = originals()
    kind, data = whole[number % len(whole)]
    damaged = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        dice.choice(DAMAGE)(damaged, dice)
        if not damaged:
            break
    if kind == "PNG" and dice.random() < 0.8:
        _mend_checksums(damaged)  # or hardly a mutant would pass the door
    return kind, bytes(damaged)


def _truncate(data: bytearray, dice: random.Random) -> None:
    del data[dice.randrange(len(data)) :]


def _flip_bits(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.randint(1, 8)):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _change_bytes(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.randint(1, 16)):
        data[dice.randrange(len(data))] = dice.randrange(256)


def _overwrite_run(data: bytearray, dice: random.Random) -> None:
    start = dice.randrange(len(data))
    length = min(dice.randint(1, 400), len(data) - start)
    fill = dice.choice((b"\0", b"\xff", b"\x80", bytes([dice.randrange(256)])))
    data[start : start + length] = fill * length


def _drop_run(data: bytearray, dice: random.Random) -> None:
    start = dice.randrange(len(data))
    del data[start : start + dice.randint(1, 200)]


def _repeat_run(data: bytearray, dice: random.Random) -> None:
    start = dice.randrange(len(data))
    run = data[start : start + dice.randint(1, 300)]
    data[start:start] = run * dice.randint(1, 30)


def _splice(data: bytearray, dice: random.Random) -> None:
    _, other = dice.choice(originals())
    data[dice.randrange(len(data)) :] = other[dice.randrange(len(other)) :]


def _lie_in_the_header(data: bytearray, dice: random.Random) -> None:
    """Put a number that cannot be true where a dimension, a length, a count or an offset may be."""
    layout = dice.choice((">B", "<H", ">H", "<I", ">I", "<Q"))
    width = struct.calcsize(layout)
    if len(data) < width:
        return
    place = dice.randrange(min(len(data) - width + 1, dice.choice((40, 200, 1000))))
    most = (1 << 8 * width) - 1
    told = struct.unpack_from(layout, data, place)[0]
    lies = (0, 1, 2, told + 1, told - 1, told * 2, most, most >> 1, most - 1, 10_000, 65_500)
    struct.pack_into(layout, data, place, dice.choice(lies) & most)


def _lie_in_a_number(data: bytearray, dice: random.Random) -> None:
    """The same for the number that really stands for the size, where the format has one place."""
    big = dice.choice((1, 9_000, 9_999, 16_383, 60_000, 65_535))
    for magic, layout in SIZE_FIELDS:
        place = data.find(magic, 0, 2000)
        if place >= 0 and len(data) >= place + len(magic) + struct.calcsize(layout):
            old = struct.unpack_from(layout, data, place + len(magic))
            new = [big if dice.random() < 0.7 else part for part in old[-2:]]
            struct.pack_into(layout, data, place + len(magic), *old[:-2], *new)
            return
    _lie_in_the_header(data, dice)


SIZE_FIELDS = (  # what stands before the width and the height, or the height and the width
    (b"\xff\xc0\0\x11", ">BHH"),
    (b"\xff\xc2\0\x11", ">BHH"),
    (b"\xff\xc2\0\x0b", ">BHH"),
    (b"IHDR", ">II"),
    (b"ispe", ">III"),
    (b"GIF89a", "<HH"),
    (b"VP8X", "<IIHH"),
    (b"\x9d\x01\x2a", "<HH"),
    (b"\x28\0\0\0", "<II"),
)
DAMAGE: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _truncate,
    _flip_bits,
    _change_bytes,
    _overwrite_run,
    _drop_run,
    _repeat_run,
    _splice,
    _lie_in_the_header,
    _lie_in_the_header,
    _lie_in_a_number,
)


def _mend_checksums(data: bytearray) -> None:
    """Give every chunk of a PNG the checksum of what now stands in it."""
    place = 8
    while place + 12 <= len(data):
        length = struct.unpack_from(">I", data, place)[0]
        end = place + 8 + length
        if end + 4 > len(data):
            return
        struct.pack_into(">I", data, end, zlib.crc32(data[place + 4 : end]))
        place = end + 4


def _picture(seed: int, mode: str) -> Image.Image:
    random = np.random.default_rng(seed)
    bands = len(Image.new(mode, (1, 1)).getbands())
    small = random.integers(0, 256, (5, 6, bands), dtype=np.uint8)
    image = Image.fromarray(small.squeeze(), mode if mode != "CMYK" else "RGBA")
    image = image.resize((121, 90), Image.Resampling.BICUBIC)
    return Image.frombytes(mode, image.size, image.tobytes())


def _encoded(image: Image.Image, kind: str, options: dict[str, object]) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _profile() -> bytes:
    """A profile that differs from sRGB in name, so that it is applied."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
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
    """A TIFF that keeps its colours apart, three strips."""
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


def main(first: int, last: int, step: int) -> None:
    """Decode mutants and tell of each what became of it, how long it took and what it left."""
    from embedtool.errors import ImageRejected
    from embedtool.images.decode import decode_image
    from embedtool.images.formats import HEAD, sniff

    for number in range(first, last, step):
        kind, data = mutant(number)
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        noise = os.fstat(2).st_size
        start = time.process_time()
        try:
            what = "image" if decode_image(data, SIDE).shape == (SIDE, SIDE, 3) else "odd shape"
            reason = ""
        except ImageRejected as reject:
            what, reason = "rejected", reject.reason
        except BaseException as error:
            what, reason = "raised", repr(error)
        faulthandler.cancel_dump_traceback_later()
        told = {
            "number": number,
            "format": kind,
            "sniffed": sniff(data[:HEAD]),
            "what": what,
            "reason": reason,
            "seconds": time.process_time() - start,  # of all its threads
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,  # MiB
            "noise": os.fstat(2).st_size - noise,  # bytes; file descriptor 2 is a file here
        }
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
