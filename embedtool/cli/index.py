"""`index`."""

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import embedtool
from embedtool.cli.arguments import expand_stdin
from embedtool.cli.output import Json, Quiet, emit_report, say
from embedtool.cli.progress_bar import progress_bar
from embedtool.errors import TooManyRejects, UsageError


def index(
    photos: Annotated[
        list[str], typer.Argument(help="Folders, files or patterns; - reads paths from stdin.")
    ],
    index: Annotated[
        Path | None, typer.Option(help="The index's folder.  [default: indexes/NAME of PHOTOS]")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="auto, builtin, mobilenet_v2, a TF Hub handle, or a SavedModel or model folder.  "
            "[default: auto, or what the index has]"
        ),
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Pool this layer, not the last.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32 or int8.  [default: the model's own]")
    ] = None,
    runtime: Annotated[
        str, typer.Option(help="litert, or tensorflow for large batches on a GPU.")
    ] = "litert",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads.  [default: the cores]")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images a call.  [default: what measured best]")
    ] = None,
    max_rejects: Annotated[
        str | None, typer.Option(help="Exit 1 above this many rejects, N or P%.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name each reject.")] = False,
) -> None:
    """Bring an index up to date with photos; make it where there is none.

    New images are added, changed ones embedded again, moved ones followed, identical copies
    embedded once, and images whose file is gone dropped. A broken file is recorded and never
    stops the run. Interrupted, the same command goes on where it stopped.
    """
    limit = _reject_limit(max_rejects)
    names = expand_stdin(photos)
    if "-" in photos:  # a list made a while ago: one file that went since must not stop the rest
        gone = [name for name in names if not os.path.lexists(name)]
        names = [name for name in names if os.path.lexists(name)] or names
        if gone:
            say(f"note: {len(gone)} listed paths do not exist, the first {gone[0]}")
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
        notes += (f"{report.rejected} rejected; why: embedtool rejects {report.index}",)
    emit_report(record, notes, json=json, quiet=quiet)
    if verbose:
        for reject in embedtool.index_rejects(report.index):
            say(f"rejected: {reject.path}: {reject.stage}: {reject.reason}")
    if limit is not None and report.rejected > limit(report.total):
        raise TooManyRejects(
            f"{report.rejected} of {report.total} files were rejected, more than --max-rejects "
            f"{max_rejects}. Why: embedtool rejects {report.index}"
        )


def _reject_limit(text: str | None) -> Callable[[int], float] | None:
    if text is None:
        return None
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = -1.0
    if not number >= 0:
        raise UsageError(f"expected --max-rejects as N or P%, received {text!r}")
    if text.endswith("%"):
        return lambda total: total * number / 100
    return lambda total: number
