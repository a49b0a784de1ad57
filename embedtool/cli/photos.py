"""`index` and `search`."""

import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import embedtool
from embedtool.cli.output import (
    Json,
    Quiet,
    emit_json,
    emit_report,
    emit_table,
    plain,
    progress_bar,
    say,
)
from embedtool.errors import TooManyRejects, UsageError
from embedtool.types import QueryMatches


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
    names = _names(photos)
    if "-" in photos:  # a list made a while ago: one file that went since must not stop the rest
        gone = [name for name in names if not os.path.lexists(name)]
        names = [name for name in names if os.path.lexists(name)] or names
        if gone:
            say(f"note: {len(gone)} listed paths do not exist, the first {gone[0]}")
    with progress_bar("indexing", quiet=quiet) as progress:
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


def search(
    index: Annotated[Path, typer.Argument(help="The index's folder.")],
    images: Annotated[
        list[str] | None, typer.Argument(help="Query images; - reads paths from stdin.")
    ] = None,
    row: Annotated[
        list[int] | None,
        typer.Option(help="Query with an indexed image, by its number as indexed."),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option(
            "-k", help="Matches for each query.  [default: 10; all with --min-similarity]"
        ),
    ] = None,
    min_similarity: Annotated[
        float | None, typer.Option(help="Leave out matches below this.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="Only images with label=NAME, or in path=FOLDER; another label or folder may "
            "follow with another --where.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    min_recall: Annotated[
        float | None,
        typer.Option(help="What approximate search must find, of what exact search finds."),
    ] = None,
    max_memory: Annotated[
        str | None, typer.Option(help="What its index may take, as 500M.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write a page with thumbnails here.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find the images most similar to each query image.

    Similarity is the cosine of two vectors, 1.0 for the same picture. A query that is in the index
    and has not changed is not embedded again, and finds itself, or its copy, first.

    Up to 30,000 images every vector is compared. Above, an approximate index proposes and the
    stored vectors decide; its recall was measured on this collection, `info` and --json show it.
    --min-recall and --max-memory build one that holds what they say, or else search is exact.
    --where, and --min-similarity without -k, are always answered exactly.
    """
    with progress_bar("preparing search", quiet=quiet) as progress:
        results = embedtool.search_photos(
            index,
            _names(images or []),
            rows=row or [],
            k=k,
            min_similarity=min_similarity,
            where=where or [],
            min_recall=min_recall,
            max_memory=_bytes(max_memory),
            progress=progress,
        )
    if html:
        embedtool.write_search_page(results, html)
    if json:
        certificate = results[0].certificate
        found = {"kind": "approximate", **asdict(certificate)} if certificate else {"kind": "exact"}
        emit_json({"queries": [_query(r) for r in results], "search": found})
    elif sys.stdout.isatty():
        for r in results:
            print(plain(r.query))
            emit_table(
                ("rank", "similarity", "path"), [(m.rank, m.similarity, m.path) for m in r.matches]
            )
    else:
        emit_table(
            ("query", "rank", "similarity", "path"),
            [(r.query, m.rank, m.similarity, m.path) for r in results for m in r.matches],
        )
    if html:
        say(f"page: {html}")
    if quiet:
        return
    if empty := sum(not r.matches for r in results):
        asked = [f"--where {condition}" for condition in where or []]
        asked += [] if min_similarity is None else [f"--min-similarity {min_similarity}"]
        why = " ".join(asked) or "the index holds none"
        say(f"note: {empty} of {len(results)} queries found no image: {why}")
    if (
        k
        and any(len(r.matches) < k for r in results)
        and k > (held := embedtool.index_info(index)["images"])
    ):
        say(f"note: {k} matches were asked for, the index holds {held} images")


def _query(result: QueryMatches) -> dict[str, object]:
    matches = [
        {
            "rank": m.rank,
            "path": str(m.path),
            "similarity": m.similarity,
            **({} if m.cluster is None else {"cluster": m.cluster}),
        }
        for m in result.matches
    ]
    return {"query": result.query, "matches": matches}


def _bytes(text: str | None) -> int | None:
    if text is None:
        return None
    units = {"K": 1e3, "M": 1e6, "G": 1e9}
    number, unit = text.strip().upper().removesuffix("B"), 1.0
    if number[-1:] in units:
        number, unit = number[:-1], units[number[-1]]
    try:
        size = int(float(number) * unit)
    except (ValueError, OverflowError):
        size = 0
    if size <= 0:
        raise UsageError(f"expected --max-memory as a number of bytes or 500M, received {text!r}")
    return size


def _names(given: list[str]) -> list[str]:
    """The arguments, with - replaced by the paths on stdin: a line each, or NUL-separated."""
    names = []
    for name in given:
        if name == "-":
            data = sys.stdin.buffer.read()
            lines = data.split(b"\0") if b"\0" in data else data.splitlines()
            names += [os.fsdecode(line) for line in lines if line.strip()]
        else:
            names.append(name)
    return names


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
