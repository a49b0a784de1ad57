"""`search`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import embedtool
from embedtool.cli.arguments import expand_stdin
from embedtool.cli.output import Json, Quiet, emit_json, emit_table, plain, say
from embedtool.cli.progress_bar import progress_bar
from embedtool.errors import UsageError
from embedtool.search.recall_certificate import RECALL_AT, Certificate
from embedtool.search.results import FEWEST_VECTORS, PLAIN, QueryMatches


def search(
    index: Annotated[Path, typer.Argument(help="The folder of the index.")],
    images: Annotated[
        list[str] | None,
        typer.Argument(help="Image files to search for. - reads paths from stdin."),
    ] = None,
    row: Annotated[
        list[int] | None,
        typer.Option(
            help="Search for an indexed image by its number: 1 is the first that was indexed."
        ),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option(
            "-k", help="Number of matches for each query.  [default: 10; all with --min-similarity]"
        ),
    ] = None,
    min_similarity: Annotated[
        float | None,
        typer.Option(
            help="Leave out matches with a similarity below this, from -1 to 1.  "
            "[default: no limit]"
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="Search only images that meet a condition: label=NAME or path=FOLDER. Repeat the "
            "option for more labels or folders: an image must match one of the labels and one of "
            "the folders.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    min_recall: Annotated[
        float | None,
        typer.Option(
            help="Recall@10: the share of the true 10 nearest images that approximate search "
            "must find.  [default: 0.99]"
        ),
    ] = None,
    max_memory: Annotated[
        str | None,
        typer.Option(
            help="Largest size of the approximate index in bytes, such as 500M.  "
            "[default: no limit]"
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write an HTML page with thumbnails to this file.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find the images most similar to each query image.

    Similarity is the cosine of two vectors after the mean vector of the collection is subtracted
    from both. It is 1 for the same picture, about 0 for unrelated ones, and at least -1. In an
    index of fewer than 100 images no mean is subtracted, and similarities are higher.

    A query image that is in the index and has not changed is not embedded again. It finds itself
    first, or a copy of itself. One of several queries that cannot be used is left out with a note.

    Up to 30,000 images, search compares the query with every vector. Above that, an approximate
    index proposes candidates, which are then compared exactly. Its recall was measured on this
    collection: see `embedtool info`. --min-recall and --max-memory build an index that meets them;
    if none can, search is exact. Searches with --where, and with --min-similarity but without -k,
    are always exact.
    """
    with progress_bar(quiet=quiet) as progress:
        results = embedtool.search_photos(
            index,
            expand_stdin(images or []),
            rows=row or [],
            k=k,
            min_similarity=min_similarity,
            where=where or [],
            min_recall=min_recall,
            max_memory=_parse_bytes(max_memory),
            on_reject="skip",
            progress=progress,
        )
    if html:
        from embedtool.report.search_page import write_search_page

        write_search_page(results, html)
    if json:
        certificate = results[0].certificate
        found = {"kind": "approximate", **asdict(certificate)} if certificate else {"kind": "exact"}
        emit_json(
            {
                "queries": [_query_record(r) for r in results],
                "search": found,
                "similarity": results[0].similarity,
            }
        )
    elif sys.stdout.isatty():
        for r in results:
            print(plain(r.query))
            emit_table(("rank", "similarity", "path"), [(m.rank, m.similarity, m.path) for m in r])
    else:
        emit_table(
            ("query", "rank", "similarity", "path"),
            [(r.query, m.rank, m.similarity, m.path) for r in results for m in r],
        )
    if html:
        say(f"page: {html}")
    if quiet:
        return
    if certificate := results[0].certificate:
        from embedtool.collection.query import DEFAULT_K

        say(f"note: {_recall_note(certificate, k or DEFAULT_K)}")
    if results[0].similarity == PLAIN:
        held = embedtool.index_info(index)["vectors"]
        if held >= FEWEST_VECTORS:
            say(
                f"note: similarity is the {PLAIN}, because the index does not have their mean yet. "
                f"To compute it, run: embedtool compact {index}"
            )
    if empty := sum(not r for r in results):
        conditions = [f"--where {condition}" for condition in where or []]
        conditions += [] if min_similarity is None else [f"--min-similarity {min_similarity}"]
        why = " ".join(conditions) or "none, the index has no images"
        say(f"note: {empty} of {len(results)} queries matched no image (conditions: {why})")
    if (
        k
        and any(len(r) < k for r in results)
        and k > (held := embedtool.index_info(index)["images"])
    ):
        say(f"note: the index has {held} images, which is fewer than -k {k}")


def _recall_note(certificate: Certificate, k: int) -> str:
    """Return the recall of approximate search for the k nearest."""
    measured = next(str(at) for at in RECALL_AT if at >= k)
    return (
        f"search is approximate: it finds at least {certificate.recall[measured]:.1%} of the "
        f"{measured} nearest, measured with {certificate.queries_measured()}"
    )


def _query_record(result: QueryMatches) -> dict[str, object]:
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


def _parse_bytes(text: str | None) -> int | None:
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
        raise UsageError(
            "expected --max-memory as a number of bytes, such as 500000000 or 500M; received "
            f"{text!r}"
        )
    return size
