"""Tables for other programs: CSV, or Parquet if the file name ends in .parquet.

A spreadsheet runs text that begins with = + - @ or a tab as a formula, and a file name or a label
can be one. So a CSV has an apostrophe before such text, and our readers take it off again:
`text_of_cell(cell_of_text(text)) == text` for every text.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embedtool.core.atomic_files import atomic_write
from embedtool.core.extras import require
from embedtool.core.foreign_files import MAX_LINE
from embedtool.core.types import PathLike
from embedtool.errors import EmbedtoolError, UsageError

# Some spreadsheets separate cells by these. Before Python 3.13, csv does not quote \r by itself.
QUOTED = re.compile("[;\t\r]")
FORMULA = re.compile("'*[=+@\t\r\n-]")  # at the start of a text, also after our own apostrophes


def write_table(
    path: PathLike,
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    raw_csv: bool = False,
) -> None:
    """Write rows to `path`, atomically.

    CSV is UTF-8 with a header; bytes of file names that are not UTF-8 are written unchanged.
    Parquet can hold only valid text, so these bytes become U+FFFD. Raises UsageError for another
    suffix.
    raw_csv: write text in CSV without the apostrophe of `cell_of_text`.
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
        plain, quoted = (
            csv.writer(text, lineterminator="\n", quoting=quoting)
            for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
        )
        plain.writerow(header)
        for row in rows:
            cells = list(row) if raw_csv else list(map(cell_of_text, row))
            special = any(isinstance(cell, str) and QUOTED.search(cell) for cell in cells)
            (quoted if special else plain).writerow(cells)
        text.detach()


def cell_of_text(cell: Any) -> Any:
    """Return a cell that no spreadsheet runs: text like a formula gets an apostrophe before it."""
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell


def text_of_cell(cell: str) -> str:
    """Return the text of a cell that `cell_of_text` made."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


@contextmanager
def arrow_errors(file: Path) -> Iterator[None]:
    """Raise Arrow's errors about a damaged Parquet file as EmbedtoolError, on one line."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        text = " ".join(str(error).split())
        raise EmbedtoolError(f"{file} cannot be read as Parquet: {text}") from error


def open_parquet(file: Path, texts: Sequence[str]) -> Any:
    """Open a Parquet file, of which these columns are read as dictionaries if they are text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(file)
    kinds = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())
    there = [name for name in texts if schema.names.count(name) == 1]
    texts = [name for name in there if schema.field(name).type in kinds]
    return pq.ParquetFile(
        file, pre_buffer=False, read_dictionary=texts
    )  # True holds the whole file


def plain_values(column: Any) -> list[Any]:
    """Return the values of an Arrow column, of which text is read as a dictionary.

    A dictionary of one text can be that of a million rows. Raises ValueError for text over MAX_LINE
    bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        longest = pc.max(pc.binary_length(column.dictionary)).as_py() or 0
        if longest > MAX_LINE:
            raise ValueError(f"expected text of at most {MAX_LINE:,} bytes, received {longest:,}")
    values: list[Any] = column.to_pylist()
    return values


def legible(cell: Any) -> Any:
    """Replace bytes that are not UTF-8 in a decoded text by U+FFFD."""
    return (
        cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if isinstance(cell, str)
        else cell
    )
