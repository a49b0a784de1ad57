"""What arrives: raw rows and the images they belong to, whatever file they came in."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedtool.interchange.card import Card

BLOCK_ROWS = 1024  # rows held at a time, and committed together
RawVectors = npt.NDArray[np.floating]  # (n, d), of any length


@dataclass(frozen=True)
class IncomingImage:
    """An image as its file names it; what the file does not say is None."""

    path: bytes
    root: bytes | None = None
    size: int | None = None
    mtime_ns: int | None = None
    digest: bytes | None = None  # SHA-256 of the image file


@dataclass(frozen=True)
class IncomingVectors:
    """Vectors of another program, and the images they belong to.

    rows, dim: n and d. card: of an export of ours. vector_files: those that hold the vectors.
    blocks: at most BLOCK_ROWS rows each, to be read once.
    """

    rows: int
    dim: int
    card: Card | None
    vector_files: tuple[Path, ...]
    blocks: Iterator[tuple[list[IncomingImage], RawVectors]]
