"""One Parquet file with one row per image, vector list<float32>."""

from typing import BinaryIO

from embedtool.interchange.arrow import is_export, parquet_writer, record_batch, schema
from embedtool.interchange.card import Card
from embedtool.interchange.index_rows import read_images
from embedtool.store.reader import IndexReader

__all__ = ["is_export", "write"]


def write(index: IndexReader, file: BinaryIO, card: Card, *, seed: int) -> tuple[int, list[str]]:
    with read_images(index) as images:
        columns = schema(card)
        with parquet_writer(file, columns) as table:
            for block in images.blocks:
                table.write_batch(record_batch(block, columns))
        return images.count, []
