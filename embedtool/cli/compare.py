"""`compare`."""

from pathlib import Path
from typing import Annotated

import typer

import embedtool
from embedtool.cli.output import Json, Quiet, Seed, emit_json, emit_table, say
from embedtool.cli.progress_bar import progress_bar


def compare(
    first: Annotated[Path, typer.Argument(help="The folder of the first index, A.")],
    second: Annotated[
        Path,
        typer.Argument(help="The folder of the second index, B: the same photos, another model."),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            help="A CSV or Parquet file with the columns path and label, for the images of A.  "
            "[default: the names of the folders of A]"
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Also write the comparison, with the images that changed most, to this HTML file."
        ),
    ] = None,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare two models on the same labelled photos.

    Images are matched by the content of their files. The scores are probe and k-NN accuracy by
    cross-validation, precision@10 and mAP. Each has a 95 % confidence interval, and so has its
    difference between the two models, paired by image. The output also has the scores of each
    class, the share of the 10 nearest images that both models agree on, and the agreement of the
    clusters if `embedtool cluster` ran on both indexes.
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
        f"note: {found.images:,} images are in both indexes; the models agree on this share of "
        f"the 10 nearest images: {found.overlap.value:.0%}"
    )
    if html:
        say(f"page: {html}")
