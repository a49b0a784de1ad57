"""Read Parquet: exports of embedtool, and the metadata of a clip-retrieval folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embedtool.core.foreign_files import open_regular
from embedtool.core.tables import arrow_errors, open_parquet, plain_values
from embedtool.errors import EmbedtoolError
from embedtool.interchange.card import CARD, Card, read_card
from embedtool.interchange.incoming import BLOCK_ROWS, IncomingImage, IncomingVectors, RawVectors
from embedtool.interchange.read_arrays import open_arrays

# These are read only from an embedtool export. In other files the names may mean something else.
EXPORT_COLUMNS = ("path_bytes", "root", "root_bytes", "size", "mtime")


def read_parquet(file: Path) -> IncomingVectors:
    """Read one Parquet file with the columns path and vector."""
    table = _ParquetImages(file, "path", ["vector"])
    with arrow_errors(file):
        first = next(table.parquet.iter_batches(1, columns=["vector"]), None)
    if first is None:
        raise EmbedtoolError(f"expected at least one row, but {file} has none")
    dim = _vector_rows(first["vector"], file, 0, None).shape[1]

    def blocks() -> Iterator[tuple[list[IncomingImage], RawVectors]]:
        start = 0
        for images, batch in table.read():
            yield images, _vector_rows(batch["vector"], file, start, dim)
            start += len(images)

    return IncomingVectors(table.rows, dim, table.card, (file,), blocks())


def read_clip_retrieval(arrays: list[Path], files: list[Path]) -> IncomingVectors:
    """Read a clip-retrieval folder: .npy parts and as many Parquet parts, with image_path."""
    if len(arrays) != len(files):
        raise EmbedtoolError(
            f"expected as many .npy files as Parquet files, but {arrays[0].parent} has "
            f"{len(arrays)} and {files[0].parent} has {len(files)}"
        )
    vectors = open_arrays(arrays)
    tables = [_ParquetImages(file, "image_path", []) for file in files]
    for raw, array, table in zip(vectors, arrays, tables, strict=True):
        if len(raw) != table.rows:
            raise EmbedtoolError(
                f"expected as many images as vectors, but {array.name} has {len(raw)} vectors and "
                f"{table.file.name} has {table.rows} images"
            )
        if (table.card and table.card.text()) != (tables[0].card and tables[0].card.text()):
            raise EmbedtoolError(
                f"expected parts of one export, but {files[0].name} and {table.file.name} are from "
                "two"
            )

    def blocks() -> Iterator[tuple[list[IncomingImage], RawVectors]]:
        for raw, table in zip(vectors, tables, strict=True):
            start = 0
            for images, _ in table.read():
                yield images, raw[start : start + len(images)]
                start += len(images)

    rows = sum(map(len, vectors))
    return IncomingVectors(rows, vectors[0].shape[1], tables[0].card, tuple(arrays), blocks())


class _ParquetImages:
    """The images of one Parquet file.

    path: the name of its path column; others: further columns that it must have.
    """

    def __init__(self, file: Path, path: str, others: list[str]) -> None:
        self.file, self.path = file, path
        open_regular(file, follow=True).close()  # Arrow would wait for a pipe
        with arrow_errors(file):
            texts = [path, "path_bytes", "root", "root_bytes", "sha256"]
            self.parquet = open_parquet(file, texts)
            columns = self.parquet.schema_arrow
        for name in (path, *others):
            if columns.names.count(name) != 1:
                raise EmbedtoolError(
                    f"{file}: expected one column {name}, received {', '.join(columns.names)}"
                )
        card_text = (columns.metadata or {}).get(CARD.encode())
        self.card: Card | None = None if card_text is None else read_card(card_text, file)
        self.rows: int = self.parquet.metadata.num_rows
        known = ("sha256", *(EXPORT_COLUMNS if self.card else ()))
        present = [name for name in known if columns.names.count(name) == 1]
        self.columns = [path, *others, *present]

    def read(self) -> Iterator[tuple[list[IncomingImage], pa.RecordBatch]]:
        with arrow_errors(self.file):
            for batch in self.parquet.iter_batches(BLOCK_ROWS, columns=self.columns):
                yield self._images(batch), batch

    def _images(self, batch: pa.RecordBatch) -> list[IncomingImage]:
        return [
            IncomingImage(name or b"", root, size, mtime, digest and bytes.fromhex(digest))
            for name, root, size, mtime, digest in zip(
                _names(batch, self.path, "path_bytes"),
                _names(batch, "root", "root_bytes"),
                _column(batch, "size", pa.int64()),
                _column(batch, "mtime", pa.int64()),
                _column(batch, "sha256", pa.string()),
                strict=True,
            )
        ]


def _names(batch: pa.RecordBatch, text: str, exact_bytes: str) -> list[bytes | None]:
    """Return names as bytes, from the column exact_bytes if the text is lossy."""
    texts = _column(batch, text, pa.string())
    return [
        name.encode() if exact is None and name is not None else exact
        for name, exact in zip(texts, _column(batch, exact_bytes, pa.binary()), strict=True)
    ]


def _column(batch: pa.RecordBatch, name: str, kind: pa.DataType) -> Sequence[Any]:
    if name not in batch.schema.names:
        return [None] * len(batch)
    column = batch[name]
    return plain_values(column if pa.types.is_dictionary(column.type) else column.cast(kind))


def _vector_rows(column: pa.Array, file: Path, start: int, dim: int | None) -> RawVectors:
    """Return a column of lists as rows (n, d). start: the number of the first row; dim: d, if
    known."""
    kind = column.type
    is_list = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(is_(kind) for is_ in is_list) or not pa.types.is_floating(kind.value_type):
        raise EmbedtoolError(f"{file}: expected lists of floats in column vector, received {kind}")
    lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    dim = int(lengths[0]) if dim is None else dim
    wrong = np.flatnonzero((lengths != dim) | (lengths == 0))
    if wrong.size:
        raise EmbedtoolError(
            f"{file}: row {start + wrong[0]} has {lengths[wrong[0]]} dimensions, expected {dim}"
        )
    rows: RawVectors = column.flatten().to_numpy(zero_copy_only=False)  # null becomes NaN
    return rows.reshape(-1, dim)
