"""`demo`."""

from pathlib import Path
from typing import Annotated

import typer

import embedtool
from embedtool.cli.output import Json, Quiet, emit_json, emit_table, say
from embedtool.cli.progress_bar import progress_bar


def demo(
    out: Annotated[
        Path, typer.Option(help="The folder to write the pictures, the index and the pages to.")
    ] = Path("embedtool-demo"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Index, search, cluster and map drawn pictures, to try embedtool.

    No internet connection is needed: the command draws the pictures itself and uses the built-in
    network.
    """
    with progress_bar(quiet=quiet) as progress:
        result = embedtool.run_demo(out, progress=progress)
    if json:
        emit_json(
            {
                "photos": str(result.photos),
                "index": str(result.report.index),
                "search_page": str(result.search_page),
                "images": result.report.total,
                "rejected": result.report.rejected,
                "images_per_second": round(result.report.images_per_second, 1),
                "precision_at_10": result.precision_at_10,
                "clusters": len(result.clusters.clusters),
                "map_page": str(result.map_page),
            }
        )
        return
    emit_table(
        ("query", "rank", "similarity", "path"),
        [
            (Path(r.query).name, m.rank, m.similarity, Path(m.path.parent.name, m.path.name))
            for r in result.queries
            for m in r.matches[:3]
        ],
    )
    say(
        "",
        f"indexed {result.report.total} drawn pictures at "
        f"{result.report.images_per_second:,.0f} images/s; copies: {result.report.duplicates}, "
        f"broken on purpose: {result.report.rejected} (embedtool rejects {result.report.index})",
        f"{result.precision_at_10:.0%} of the 10 nearest images are of the same kind as the query",
        f"12 kinds of picture were drawn, {len(result.clusters.clusters)} clusters were found",
        f"open these pages: {result.search_page}",
        f"                  {result.map_page}",
        "next, index your own photos: embedtool index PHOTOS",
    )
