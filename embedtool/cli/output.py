"""stdout carries data: a table on a terminal, tab-separated in a pipe, one JSON object on
request. stderr carries talk, and a progress bar on a terminal."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

SCHEMA = 1

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes.")]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def emit_json(content: dict[str, Any]) -> None:
    print(json.dumps({"schema": SCHEMA, **content}))


def emit_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Aligned columns with a header on a terminal; bare tab-separated rows in a pipe."""
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
    """One name and value a line."""
    width = max(map(len, record)) if sys.stdout.isatty() else 0
    for name, value in record.items():
        text = f"{value:,}" if width and isinstance(value, int | float) else str(value)
        print(f"{name.ljust(width)}  {text}" if width else f"{name}\t{text}")


@contextmanager
def progress_bar(label: str, *, quiet: bool) -> Iterator[Callable[[int, int, int], None] | None]:
    """A callback (done, total, rejected) that draws a bar; None where nobody would see it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeLeft(),
        TextColumn("{task.fields[rejected]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None, rate="", rejected="")

        def update(done: int, total: int, rejected: int) -> None:
            speed = bar.tasks[task].speed
            bar.update(
                task,
                completed=done,
                total=total,
                rate=f"{speed:,.0f} images/s" if speed else "",
                rejected=f"{rejected:,} rejected" if rejected else "",
            )

        yield update


def _cell(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
