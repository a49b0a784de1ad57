"""`index`."""

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

import embedtool
from embedtool.cli.arguments import expand_stdin
from embedtool.cli.output import Json, Quiet, emit_report, say
from embedtool.cli.progress_bar import progress_bar
from embedtool.errors import TooManyRejects, UsageError


def index(
    photos: Annotated[
        list[str],
        typer.Argument(
            help="Folders, image files or patterns such as 'a/*.jpg'. - reads paths from stdin."
        ),
    ],
    index: Annotated[
        Path | None,
        typer.Option(
            help="The folder of the index.  [default: indexes/NAME, where NAME is the first "
            "folder of photos]"
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="The network: auto, builtin, mobilenet_v2, a TF Hub handle, a SavedModel "
            "folder or the folder of a fine-tuned model.  [default: that of the index; "
            "auto for a new one]"
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            help="Use the average output of this layer as the vector.  [default: the last layer]"
        ),
    ] = None,
    precision: Annotated[
        Literal["float32", "int8"] | None,
        typer.Option(
            help="Arithmetic of the network: int8 is nearly twice as fast as float32 and "
            "slightly less accurate.  [default: that of the model]"
        ),
    ] = None,
    runtime: Annotated[
        Literal["litert", "tensorflow"],
        typer.Option(help="The library that runs the network. tensorflow can use a GPU."),
    ] = "litert",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of threads.  [default: number of cores]")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Images per call of the network.  [default: the fastest measured]"
        ),
    ] = None,
    max_rejects: Annotated[
        str | None,
        typer.Option(
            help="Exit with code 1 if more files than this are rejected: a number, or a share "
            "such as 5%.  [default: no limit]"
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="List each rejected file and the reason.")
    ] = False,
) -> None:
    """Add photos to an index, or bring it up to date with them.

    New images are added, and changed images are embedded again. Renamed and moved images keep their
    vectors, and identical files are embedded once. Images whose files are gone are removed. A file
    that cannot be read is recorded and does not stop the run. If the run is interrupted, the same
    command continues where it stopped.
    """
    limit = _reject_limit(max_rejects)
    names = expand_stdin(photos)
    if "-" in photos:  # files may have been removed since the list was made: index the others
        gone = [name for name in names if not os.path.lexists(name)]
        names = [name for name in names if os.path.lexists(name)] or names
        if gone:
            say(f"note: paths from stdin that do not exist: {len(gone)}, the first is {gone[0]}")
    with progress_bar(quiet=quiet) as progress:
        report = embedtool.index_photos(
            names,
            index=index,
            model=model,
            layer=layer,
            precision=precision,
            runtime=runtime,
            workers=workers,
            batch_size=batch_size,
            progress=progress,
        )
    record = asdict(report)
    notes = record.pop("notes")
    record["index"] = str(report.index)
    record["seconds"] = round(report.seconds, 3)
    record["images_per_second"] = round(report.images_per_second, 1)
    if report.rejected:
        notes += (f"rejected files: {report.rejected}; reasons: embedtool rejects {report.index}",)
    emit_report(record, notes, json=json, quiet=quiet)
    if verbose:
        for reject in embedtool.index_rejects(report.index):
            say(f"rejected: {reject.path}: {reject.stage}: {reject.reason}")
    if limit is not None and report.rejected > limit(report.total):
        raise TooManyRejects(
            f"expected at most --max-rejects {max_rejects}, but {report.rejected} of "
            f"{report.total} files were rejected. For the reasons, run: embedtool rejects "
            f"{report.index}"
        )


def _reject_limit(text: str | None) -> Callable[[int], float] | None:
    if text is None:
        return None
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = -1.0
    if not number >= 0:
        raise UsageError(
            f"expected --max-rejects as a number or a share such as 5%, received {text!r}"
        )
    if text.endswith("%"):
        return lambda total: total * number / 100
    return lambda total: number
