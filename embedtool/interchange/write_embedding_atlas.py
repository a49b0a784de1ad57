"""A Parquet file for embedding-atlas: the columns of `parquet`, and thumbnails.

Give embedding-atlas the columns as options: `--vector vector` (it projects the vectors itself) and
`--image image`, a struct of bytes and path, as in its viewer and in Hugging Face datasets.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from embedtool.errors import ImageRejected
from embedtool.images.decode import thumbnail
from embedtool.images.read_file import read_source, source_of
from embedtool.interchange import write_parquet
from embedtool.interchange.arrow import is_export, parquet_writer, schema
from embedtool.interchange.card import Card
from embedtool.store.reader import BLOCK_ROWS, IndexReader

__all__ = ["is_export", "write"]
THUMBNAIL_SIDE = 128  # pixels of a thumbnail
IMAGE_FIELD = pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


def write(index: IndexReader, file: BinaryIO, card: Card, *, seed: int) -> tuple[int, list[str]]:
    missing = 0
    columns = schema(card).append(IMAGE_FIELD)
    with (
        TemporaryFile(dir=Path(file.name).parent) as scratch,
        ThreadPoolExecutor(os.cpu_count()) as threads,
    ):
        rows, notes = write_parquet.write(index, scratch, card, seed=seed)
        # Thumbnails are slow, so the index is no longer locked here.
        with parquet_writer(file, columns) as table:
            for batch in pq.ParquetFile(scratch, pre_buffer=False).iter_batches(BLOCK_ROWS):
                pictures = list(threads.map(_thumbnail, _paths(batch)))
                missing += pictures.count(None)
                names = batch["path"].to_pylist()
                images = [
                    {"bytes": picture, "path": name}
                    for picture, name in zip(pictures, names, strict=True)
                ]
                arrays = [*batch.columns, pa.array(images, IMAGE_FIELD.type)]
                table.write_batch(pa.record_batch(arrays, schema=columns))
    if missing:
        notes.append(f"{missing:,} images could not be read and have no thumbnail")
    return rows, notes


def _paths(batch: pa.RecordBatch) -> list[bytes]:
    texts, exact = batch["path"].to_pylist(), batch["path_bytes"].to_pylist()
    return [name or text.encode() for text, name in zip(texts, exact, strict=True)]


def _thumbnail(path: bytes) -> bytes | None:
    try:
        _, data = read_source(source_of(path))
        return thumbnail(data, THUMBNAIL_SIDE)
    except ImageRejected:
        return None
