"""Vector files: immutable float16 .npy (n, d), written once, checked before use.

The catalogue has the SHA-256 of each file and the CRC-32 of each row, so that reading a hundred
rows of a million does not require reading all of them.
"""

import hashlib
import os
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedtool.core.atomic_files import HashingWriter, atomic_write
from embedtool.core.foreign_files import open_regular
from embedtool.core.types import Vectors
from embedtool.store.layout import Segment, damaged, segment_file

Stored = npt.NDArray[np.float16]  # (n, d), unit rows as stored on disk


def write_segment(
    index: Path, number: int, blocks: Iterable[Stored], *, rows: int, dim: int
) -> Segment:
    """Write blocks with `rows` rows in total as segment `number`, one block in memory at a time.

    The digest is computed from the bytes before they are written. If the disk stores other bytes,
    the first read detects it.
    """
    with atomic_write(segment_file(index, number)) as opened:
        file = HashingWriter(opened)
        header = {"descr": "<f2", "fortran_order": False, "shape": (rows, dim)}
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:  # np.save would hide the reason for an incomplete write
            file.write(np.ascontiguousarray(block, "<f2").data.cast("B"))
    return Segment(number, rows, file.size, file.digest.hexdigest())


def to_float32(stored: Stored) -> Vectors:
    """Convert finite values to float32, bit for bit as `astype` does.

    float16 and float32 have different exponent biases: moving the bits into place and multiplying
    by 2**112 is exact. numpy converts one value at a time, which takes 19 microseconds for a row of
    1,280; these passes take 0.6.
    """
    bits = stored.view(np.int16).astype(np.int32)  # the sign bit fills the upper half
    bits <<= 13
    bits &= ~0x70000000  # clears all copies of the sign bit except the first
    values = bits.view(np.float32)
    values *= np.float32(2.0**112)
    return values


def row_checksums(rows: Stored) -> npt.NDArray[np.uint32]:
    """Return the CRC-32 (n,) of the bytes of each row, as stored in the catalogue."""
    return np.array([zlib.crc32(row) for row in np.ascontiguousarray(rows, "<f2")], np.uint32)


def map_segment(index: Path, segment: Segment, dim: int) -> Stored:
    """Return the memory-mapped rows of a segment. Its size is checked, its content is not.

    Raises IndexDamaged.
    """
    file = segment_file(index, segment.id)
    header = segment.bytes - segment.rows * dim * np.dtype("<f2").itemsize
    try:
        with open_regular(file) as opened:
            size = os.fstat(opened.fileno()).st_size
            if size == segment.bytes and segment.rows > 0 and header > 0:
                # np.load parses the header as Python: a flipped bit there can raise any exception.
                return np.memmap(opened, "<f2", "r", offset=header, shape=(segment.rows, dim))
    except OSError as error:
        raise damaged(index, f"cannot read {file}: {error.strerror or error}") from error
    raise damaged(index, f"{file} has {size} bytes, but {segment.bytes} were committed")


def check_segment(index: Path, segment: Segment) -> None:
    """Raise IndexDamaged if the bytes of a segment differ from those that were committed."""
    file = segment_file(index, segment.id)
    try:
        with open_regular(file) as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise damaged(index, f"cannot read {file}: {error.strerror}") from error
    if found != segment.sha256:
        raise damaged(index, f"{file} has changed since it was committed (SHA-256 differs)")
