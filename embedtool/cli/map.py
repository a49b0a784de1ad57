"""`map`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

import embedtool
from embedtool.cli.output import (
    SEEDS,
    Json,
    Quiet,
    RawCsv,
    check_distinct,
    check_raw_csv,
    emit_json,
    emit_table,
    say,
)
from embedtool.cli.progress_bar import progress_bar


def map(
    index: Annotated[Path, typer.Argument(help="The folder of the index.")],
    html: Annotated[
        Path | None, typer.Option(help="Write an interactive page to this HTML file.")
    ] = None,
    png: Annotated[
        Path | None, typer.Option(help="Write a picture to this PNG file, ready for print.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Write the coordinates to this file, CSV or Parquet.")
    ] = None,
    raw_csv: RawCsv = False,
    colour_by: Annotated[
        Literal["cluster", "label", "prediction", "folder", "date"] | None,
        typer.Option(
            help="What the colours show.  [default: prediction with --probe; else cluster, if "
            "`embedtool cluster` ran; else label]"
        ),
    ] = None,
    probe: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a probe or of a fine-tuned model, used to predict the class of each "
            "image on the map."
        ),
    ] = None,
    size: Annotated[int, typer.Option(help="Height of the PNG, in pixels.")] = 1200,
    neighbours: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Number of neighbours that UMAP considers.  [default: that of the saved map, "
            "or 30]",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Random seed.  [default: that of the saved map, or 0]", **SEEDS),
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Compute the whole map again, even if one is saved.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw a map of all images, with similar images near each other.

    UMAP projects the neighbour graph of the vectors to two dimensions. The index stores the map.
    New images are placed on it one by one, and the others stay where they are. The whole map is
    computed again with --rebuild, with another --seed or --neighbours, and when more than half of
    its images were placed later.
    """
    check_distinct(html, png, to)
    check_raw_csv(raw_csv, to)
    with embedtool.open(index) as opened, progress_bar(quiet=quiet) as progress:
        found = opened.map(
            probe=probe, neighbours=neighbours, seed=seed, rebuild=rebuild, progress=progress
        )
        notes = [*found.notes]
        if html:
            notes += found.write_html(html, colour_by=colour_by, progress=progress)
        if png:
            found.write_png(png, colour_by=colour_by, size=size, progress=progress)
    if to:
        found.write_table(to, raw_csv=raw_csv)
    names, points = found.columns()
    if json:
        emit_json(
            {
                "points": [dict(zip(names, point, strict=True)) for point in points],
                "placed": int(found.placed.sum()),
                "neighbours": found.neighbours,
                "seed": found.seed,
            }
        )
    elif not (html or png or to):
        emit_table(names, points)
    if quiet:
        return
    for note in notes:
        say(f"note: {note}")
    for name, path in (("page", html), ("picture", png), ("table", to)):
        if path:
            say(f"{name}: {path}")
