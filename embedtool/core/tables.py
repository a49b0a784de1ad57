"""Tables for other programs: CSV, or Parquet if the file name ends in .parquet."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from embedtool.core.atomic_files import atomic_write
from embedtool.core.extras import require
from embedtool.core.types import PathLike
from embedtool.errors import UsageError


def write_table(path: PathLike, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows to `path`, atomically.

    CSV is UTF-8 with a header; bytes of file names that are not UTF-8 are written unchanged.
    Parquet can hold only valid text, so these bytes become U+FFFD. Raises UsageError for another
    suffix.
    """
    target = Path(path)
    if target.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError(f"expected a name that ends in .csv or .parquet, received {target}")
    if target.suffix.lower() == ".parquet":
        require("pyarrow")
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = [[legible(cell) for cell in column] for column in zip(*rows, strict=True)]
        table = pa.table(columns or [[] for _ in header], names=[legible(name) for name in header])
        with atomic_write(target) as file:
            pq.write_table(table, file)
        return
    with atomic_write(target) as file:
        text = io.TextIOWrapper(file, "utf-8", "surrogateescape", newline="", write_through=True)
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(header)
        lines.writerows(rows)
        text.detach()


def legible(cell: Any) -> Any:
    """Replace bytes that are not UTF-8 in a decoded text by U+FFFD."""
    return (
        cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if isinstance(cell, str)
        else cell
    )
