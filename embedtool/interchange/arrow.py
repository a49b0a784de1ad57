"""Images as Arrow record batches, with the columns of every Parquet file that embedtool writes."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embedtool.interchange.card import CARD, Card, bytes_where_lossy, lossy_text
from embedtool.interchange.index_rows import ImageBlock, absolute_path, folder_labels
from embedtool.store.layout import Row

VECTOR_FIELD = pa.field("vector", pa.list_(pa.float32()), nullable=False)
DICTIONARY_COLUMNS = ["root", "label"]  # dictionary encoding helps these and only slows vectors


def schema(card: Card, *, path: str = "path", vector: bool = True) -> pa.Schema:
    """Return the columns and the card as a schema. path: the name of the path column."""
    fields = [
        pa.field(path, pa.string(), nullable=False),
        pa.field("path_bytes", pa.binary()),
        pa.field("root", pa.string(), nullable=False),
        pa.field("root_bytes", pa.binary()),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("mtime", pa.timestamp("ns", "UTC"), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
    ]
    return pa.schema([*fields, VECTOR_FIELD] if vector else fields, {CARD: card.text()})


def record_batch(block: ImageBlock, columns: pa.Schema) -> pa.RecordBatch:
    """Return one block as a record batch of this schema."""
    arrays = _image_columns(block.rows)
    if VECTOR_FIELD.name in columns.names:
        dim = block.vectors.shape[1]
        starts = np.arange(0, block.vectors.size + 1, dim, dtype=np.int32)
        arrays.append(pa.ListArray.from_arrays(starts, pa.array(block.vectors.reshape(-1))))
    return pa.record_batch(
        [array.cast(field.type) for array, field in zip(arrays, columns, strict=True)],
        schema=columns,
    )


def parquet_writer(file: BinaryIO | Path, columns: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(file, columns, use_dictionary=DICTIONARY_COLUMNS)


def is_export(path: Path) -> bool:
    """Return whether a file is a Parquet export of embedtool."""
    if not path.is_file():
        return False
    try:
        return CARD.encode() in (pq.read_schema(path).metadata or {})
    except pa.ArrowInvalid:  # not a Parquet file
        return False


def _image_columns(rows: Sequence[Row]) -> list[pa.Array]:
    paths, roots = [absolute_path(row) for row in rows], [row.root for row in rows]
    return [
        pa.array([lossy_text(path) for path in paths]),
        pa.array(bytes_where_lossy(paths), pa.binary()),
        pa.array([lossy_text(root) for root in roots]),
        pa.array(bytes_where_lossy(roots), pa.binary()),
        pa.array([row.size for row in rows]),
        pa.array([row.mtime_ns for row in rows], pa.int64()),
        pa.array([row.digest.hex() for row in rows]),
        pa.array([lossy_text(label) for label in folder_labels(rows)]),
    ]
