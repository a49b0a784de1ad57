"""Incoming vectors: raw rows and their images, in the same form for all file formats."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedtool.interchange.card import Card

BLOCK_ROWS = 1024  # rows held at a time, and committed together
RawVectors = npt.NDArray[np.floating]  # (n, d), not normalised


@dataclass(frozen=True)
class IncomingImage:
    """An image as the imported file describes it. Missing values are None."""

    path: bytes
    root: bytes | None = None
    size: int | None = None
    mtime_ns: int | None = None
    digest: bytes | None = None  # SHA-256 of the image file


@dataclass(frozen=True)
class IncomingVectors:
    """Vectors to import and their images.

    rows, dim: n and d. card: that of an embedtool export. vector_files: the files with the
    vectors. blocks: at most BLOCK_ROWS rows each; they can be read once.
    """

    rows: int
    dim: int
    card: Card | None
    vector_files: tuple[Path, ...]
    blocks: Iterator[tuple[list[IncomingImage], RawVectors]]
