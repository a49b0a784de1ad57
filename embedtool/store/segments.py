"""Vector files: immutable float16 .npy (n, d), written once, checked before they are believed.

A whole file is checked by the SHA-256 in the catalogue, a single row by its CRC-32 there: reading
a hundred rows of a million must not cost reading them all.
"""

import hashlib
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedtool.core.atomic_files import HashingWriter, atomic_write
from embedtool.core.types import Vectors
from embedtool.store.layout import Segment, damaged, segment_file

Stored = npt.NDArray[np.float16]  # (n, d), rows of length 1 as they lie on disk


def write_segment(
    index: Path, number: int, blocks: Iterable[Stored], *, rows: int, dim: int
) -> Segment:
    """Write blocks of together `rows` rows as segment `number`, holding one block at a time.

    The digest is of the bytes that were meant to be written, so that a disk which keeps others is
    found out at the first read.
    """
    with atomic_write(segment_file(index, number)) as opened:
        file = HashingWriter(opened)
        header = {"descr": "<f2", "fortran_order": False, "shape": (rows, dim)}
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:  # np.save would hide why a write fell short
            file.write(np.ascontiguousarray(block, "<f2").data.cast("B"))
    return Segment(number, rows, file.size, file.digest.hexdigest())


def to_float32(stored: Stored) -> Vectors:
    """The same finite values as float32, bit for bit as `astype` gives them.

    A half is a float whose exponent counts from another number: moved into place and multiplied by
    2**112 it is exact. numpy converts one value at a time: 19 microseconds for a row of 1,280 where
    these passes take 0.6.
    """
    bits = stored.view(np.int16).astype(np.int32)  # the sign fills the upper half
    bits <<= 13
    bits &= ~0x70000000  # of the copies of the sign, the first alone
    values = bits.view(np.float32)
    values *= np.float32(2.0**112)
    return values


def row_checksums(rows: Stored) -> npt.NDArray[np.uint32]:
    """The CRC-32 (n,) of each row's bytes, as the catalogue keeps it."""
    return np.array([zlib.crc32(row) for row in np.ascontiguousarray(rows, "<f2")], np.uint32)


def map_segment(index: Path, segment: Segment, dim: int) -> Stored:
    """A segment's rows, memory-mapped; its size is checked, its content is not yet.

    Raises IndexDamaged.
    """
    file = segment_file(index, segment.id)
    header = segment.bytes - segment.rows * dim * np.dtype("<f2").itemsize
    try:
        size = file.stat().st_size
        if size == segment.bytes and header > 0:
            # np.load would parse the header as Python: one flipped bit, and it raises anything.
            return np.memmap(file, "<f2", "r", offset=header, shape=(segment.rows, dim))
    except OSError as error:
        raise damaged(index, f"cannot read {file}: {error.strerror or error}") from error
    raise damaged(index, f"{file} is not what was committed ({size} bytes of {segment.bytes})")


def check_segment(index: Path, segment: Segment) -> None:
    """Raise IndexDamaged where a segment's bytes are not those that were committed."""
    file = segment_file(index, segment.id)
    try:
        with open(file, "rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise damaged(index, f"cannot read {file}: {error.strerror}") from error
    if found != segment.sha256:
        raise damaged(index, f"{file} is not what was committed (SHA-256 differs)")
