"""Seeded damage: generated pictures of every format, broken in every way we could think of.

Run as a program it is the child that decodes them: `broken_pictures.py FIRST LAST STEP` decodes the
mutants FIRST, FIRST + STEP, ... below LAST and prints one line of JSON for each. A crash or a hang
is then seen by the parent, which knows the last number printed.
"""

import faulthandler
import json
import os
import random
import resource
import struct
import sys
import time
import zlib
from collections.abc import Callable

from support.whole_pictures import originals

SIDE = 96  # pixels wanted of the decoder
HANG_SECONDS = 60  # on a busy machine; the limit on processor time is the test's


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
    true = struct.unpack_from(layout, data, place)[0]
    lies = (0, 1, 2, true + 1, true - 1, true * 2, most, most >> 1, most - 1, 10_000, 65_500)
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


def main(first: int, last: int, step: int) -> None:
    """Decode mutants; print of each what became of it, how long it took and what was written."""
    from embedtool.core.own_process import claim_process
    from embedtool.errors import ImageRejected
    from embedtool.images.decode import decode_image
    from embedtool.images.formats import HEAD, sniff

    claim_process()
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
        record = {
            "number": number,
            "format": kind,
            "sniffed": sniff(data[:HEAD]),
            "what": what,
            "reason": reason,
            "seconds": time.process_time() - start,  # of all its threads
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,  # MiB
            "noise": os.fstat(2).st_size - noise,  # bytes; file descriptor 2 is a file here
        }
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
