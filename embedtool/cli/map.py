"""`map`."""

from pathlib import Path
from typing import Annotated

import typer

import embedtool
from embedtool.cli.output import SEEDS, Json, Quiet, check_distinct, emit_json, emit_table, say
from embedtool.cli.progress_bar import progress_bar


def map(
    index: Annotated[Path, typer.Argument(help="The index's folder.")],
    html: Annotated[Path | None, typer.Option(help="Write a page to look around in here.")] = None,
    png: Annotated[Path | None, typer.Option(help="Write a picture for a paper here.")] = None,
    to: Annotated[
        Path | None, typer.Option(help="Write coordinates to F.csv or F.parquet.")
    ] = None,
    colour_by: Annotated[
        str | None,
        typer.Option(
            help="cluster, label, prediction, folder or date.  [default: prediction with --probe, "
            "else cluster where there are any, else label]"
        ),
    ] = None,
    probe: Annotated[
        Path | None,
        typer.Option(help="A probe, or a fine-tuned model, that says the class of each image."),
    ] = None,
    size: Annotated[int, typer.Option(help="Height of the PNG in pixels.")] = 1200,
    neighbours: Annotated[
        int | None, typer.Option(min=2, help="Of UMAP.  [default: what the saved map has, or 30]")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="[default: what the saved map has, or 0]", **SEEDS)
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Lay out all images again, even if a map is saved.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show all images on a plane, like ones near each other.

    UMAP on the index's neighbour graph. The map stays in the index: new images are placed on it
    one by one and nothing else moves, until --rebuild, another --seed or --neighbours, or more
    placed than laid out.
    """
    check_distinct(html, png, to)
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
        found.write_table(to)
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
