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
        Path | None, typer.Option(help="A probe that says the class of each image.")
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
    with progress_bar("mapping", quiet=quiet) as progress:
        predicted = embedtool.predict_images(index, probe, progress=progress) if probe else None
        found = embedtool.map_index(
            index, neighbours=neighbours, seed=seed, rebuild=rebuild, progress=progress
        )
        if predicted:
            images = predicted.images
            found = found.with_predictions(
                [one.path for one in images],
                [one.likeliest for one in images],
                [one.probability for one in images],
            )
        notes = [*found.notes]
        if html:
            notes += embedtool.write_map_page(found, html, colour_by=colour_by, progress=progress)
        if png:
            embedtool.write_map_png(found, png, colour_by=colour_by, size=size, progress=progress)
    if to:
        embedtool.write_coordinates(found, to)
    names, points = embedtool.map_points(found)
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
