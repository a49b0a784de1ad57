"""`compare`."""

from pathlib import Path
from typing import Annotated

import typer

import embedtool
from embedtool.cli.output import Json, Quiet, Seed, emit_json, emit_table, say
from embedtool.cli.progress_bar import progress_bar


def compare(
    first: Annotated[Path, typer.Argument(help="An index, A.")],
    second: Annotated[Path, typer.Argument(help="One of the same photos under another model, B.")],
    labels: Annotated[
        Path | None,
        typer.Option(
            help="CSV or Parquet with the columns path and label, of A's images.  "
            "[default: the names of A's folders]"
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write a page with the images that moved most here.")
    ] = None,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare two models on the same labelled photos.

    Probe and k-NN accuracy on images left out, precision@10 and mAP, each with its 95 % interval
    and that of the change, paired by image; the change of each class; how many of the 10 nearest
    the two share; how far their clusters agree, where `cluster` ran on both. Images are matched by
    content.
    """
    with progress_bar(quiet=quiet) as progress:
        found = embedtool.compare_indexes(
            first, second, labels=labels, seed=seed, progress=progress
        )
    if html:
        found.write_html(html)
    if json:
        emit_json(found.record())
    else:
        emit_table(
            ("score", "A", "B", "change"),
            [(one.name, *map(str, (one.first, one.second, one.change))) for one in found.measures],
        )
        emit_table(
            ("class", "images", "A", "B"),
            [(one.name, one.images, one.first, one.second) for one in found.per_class],
        )
        if same := found.agreement:
            emit_table(
                ("agreement of clusters", "images", "A", "B", "AMI", "ARI"),
                [("clusters", same.images, *same.counts, same.ami, same.ari)],
            )
    if quiet:
        return
    for note in found.notes:
        say(f"note: {note}")
    say(
        f"note: {found.images:,} images in both; of the 10 nearest of one they share "
        f"{found.overlap.value:.0%}"
    )
    if html:
        say(f"page: {html}")
