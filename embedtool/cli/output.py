"""Output of commands.

stdout carries data: a table on a terminal, tab-separated rows in a pipe, or one JSON object with
--json. stderr carries messages, and a progress bar on a terminal.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from embedtool.core.bidirectional import BIDIRECTIONAL
from embedtool.errors import UsageError

if TYPE_CHECKING:
    from embedtool.search.recall_certificate import Certificate
SCHEMA = 2  # version of the format that --json prints
# Characters that would break a line or a column, or move the cursor of a terminal. --json does not
# escape them in this way. On a terminal, bidirectional control characters are escaped too.
HALF_PAIRS = (*range(0xD800, 0xDC80), *range(0xDD00, 0xE000))  # no file name and no text has these
ESCAPES = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160), *HALF_PAIRS)}
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar and no notes.")]
RawCsv = Annotated[
    bool,
    typer.Option(
        "--raw-csv",
        help="Leave out the apostrophe that keeps a spreadsheet from running text in the CSV that "
        "begins with = + - @ or a tab as a formula.",
    ),
]
SEEDS = {"min": 0, "max": 2**32 - 1}  # the range that numpy accepts
Seed = Annotated[
    int, typer.Option(help="Random seed. The same seed gives the same result.", **SEEDS)
]


def say(*lines: str) -> None:
    print(*(plain(line, sys.stderr) for line in lines), sep="\n", file=sys.stderr, flush=True)


def plain(value: object, stream: TextIO | None = None) -> str:
    """Return the value as one line of a stream, by default stdout; a line break in a file name
    becomes `\\n`."""
    text = str(value).translate(ESCAPES)
    return text.translate(BIDIRECTIONAL) if (stream or sys.stdout).isatty() else text


def check_distinct(*files: Path | None) -> None:
    """Raise UsageError if one file is to be written twice."""
    given = [os.path.abspath(file) for file in files if file]
    for file in given:
        if given.count(file) > 1:
            raise UsageError(f"two options name the same file, {file}: give each its own name")


def check_raw_csv(raw_csv: bool, to: Path | None) -> None:
    if raw_csv and (to is None or to.suffix.lower() != ".csv"):
        raise UsageError("expected --raw-csv with --to and a name that ends in .csv")


def emit_json(content: dict[str, Any]) -> None:
    print(json.dumps({"schema": SCHEMA, **content}))


def emit_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print aligned columns with a header on a terminal, tab-separated rows without one in a
    pipe."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for row in cells:
            print("\t".join(row))
        return
    numeric = [
        all(isinstance(row[column], int | float) for row in rows) for column in range(len(header))
    ]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    for row in [list(header), *cells]:
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        print("  ".join(padded).rstrip())


def emit_record(record: dict[str, Any]) -> None:
    """Print one name and value per line."""
    width = max(map(len, record)) if sys.stdout.isatty() else 0
    for name, value in record.items():
        text = f"{value:,}" if width and isinstance(value, int | float) else plain(value)
        print(f"{name.ljust(width)}  {text}" if width else f"{name}\t{text}")


def emit_report(record: dict[str, Any], notes: Sequence[str], *, json: bool, quiet: bool) -> None:
    """Print the result of a command, and its notes unless `quiet`."""
    if json:
        emit_json(record)
    else:
        emit_record(record)
    if not quiet:
        for note in notes:
            say(f"note: {note}")


def describe_search(certificate: "Certificate | None") -> str:
    """Return one line about the search method and its measured recall."""
    if certificate is None:
        return "exact"
    recall = ", ".join(f"{share:.3f} of the {k}" for k, share in certificate.recall.items())
    return (
        f"approximate, {certificate.method} on {certificate.dimensions} dimensions, candidates "
        f"compared exactly; recall: at least {recall} nearest, measured with "
        f"{certificate.queries_measured()} ({certificate.queries:,} queries)"
    )


def _cell(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else plain(value)
