"""The rows of an export: every image of an index and its vector, one block at a time."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np

from embedtool.core.paths import folder_label
from embedtool.core.types import Vectors
from embedtool.errors import EmbedtoolError
from embedtool.store.layout import Row
from embedtool.store.reader import BLOCK_ROWS, IndexReader


class ImageBlock(NamedTuple):
    """Images and their unit rows (n, d), in the same order."""

    rows: list[Row]
    vectors: Vectors


@dataclass(frozen=True)
class IndexImages:
    """All images of one version of an index. blocks: in the order of the image ids, BLOCK_ROWS
    images in each but the last. Each copy of an image has its own row."""

    count: int
    dim: int
    blocks: Iterator[ImageBlock]


@contextmanager
def read_images(index: IndexReader) -> Iterator[IndexImages]:
    """Open all images of one version of an index.

    A writer that commits in the meantime waits until this ends. After 60 seconds it stops with
    IndexLocked, so do slow work afterwards if possible. Raises EmbedtoolError if there is no image.
    """
    with index.snapshot():
        count = index.counts()["images"]
        if not count:
            raise EmbedtoolError(
                f"{index.path} holds no images. Add some: embedtool index PHOTOS "
                f"--index {index.path}"
            )
        yield IndexImages(count, index.dim, _blocks(index))


def _blocks(index: IndexReader) -> Iterator[ImageBlock]:
    vectors = np.fromiter(index.vector_ids(), np.int64)  # 8 bytes per image
    rows = index.rows()
    for start in range(0, len(vectors), BLOCK_ROWS):
        stored = index.vectors_of(vectors[start : start + BLOCK_ROWS])
        yield ImageBlock(list(islice(rows, BLOCK_ROWS)), stored)


def absolute_path(row: Row) -> bytes:
    """Return the absolute path of an image in the bytes of the file system."""
    return os.path.join(row.root, row.path)


def folder_labels(rows: Sequence[Row]) -> list[bytes]:
    return [folder_label(row.root, row.path) for row in rows]
