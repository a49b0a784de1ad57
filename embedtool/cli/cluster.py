"""`cluster` and `outliers`."""

from pathlib import Path
from typing import Annotated

import typer

import embedtool
from embedtool.cli.output import Json, Quiet, Seed, check_distinct, emit_json, emit_table, say
from embedtool.cli.progress_bar import progress_bar
from embedtool.errors import UsageError


def cluster(
    index: Annotated[Path, typer.Argument(help="The index's folder.")],
    detail: Annotated[
        float, typer.Option(help="2 for clusters half as large, 0.5 for twice as large.")
    ] = 1.0,
    name_by: Annotated[
        str | None,
        typer.Option(
            help="label: name clusters by the folders of their images; imagenet: by ImageNet "
            "classes, for an index of mobilenet_v2."
        ),
    ] = None,
    seed: Seed = 0,
    to: Annotated[
        Path | None, typer.Option(help="Write path, cluster and strength to F.csv or F.parquet.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write a contact sheet here.")] = None,
    png: Annotated[Path | None, typer.Option(help="Also write one picture of all here.")] = None,
    link: Annotated[
        Path | None, typer.Option(help="Make a folder of links for each cluster in this one.")
    ] = None,
    copy: Annotated[
        Path | None, typer.Option(help="Make a folder of copies for each cluster in this one.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Group images that are alike, without being told how many groups.

    HDBSCAN on a UMAP layout of the index's neighbour graph. An image that belongs to no cluster is
    noise, -1; `nearest` is the cluster it lies closest to. The clusters stay in the index: `search`
    and `map` show them. Another --detail cuts the same hierarchy again and takes seconds.
    """
    if link and copy:
        raise UsageError("expected one of --link and --copy")
    check_distinct(to, html, png, link, copy)
    with embedtool.open(index) as opened, progress_bar(quiet=quiet) as progress:
        report = opened.cluster(detail=detail, name_by=name_by, seed=seed, progress=progress)
    if to:
        report.write_table(to)
    if html:
        report.write_html(html)
    if png:
        report.write_png(png)
    if folder := link or copy:
        report.write_folders(folder, copy=bool(copy))
    if json:
        emit_json(
            {
                "clusters": [
                    {
                        "id": c.id,
                        "name": c.name,
                        "size": c.size,
                        "stability": c.stability,
                        "representatives": [str(path) for path in c.representatives],
                        "borderline": [str(path) for path in c.borderline],
                        "outliers": [str(path) for path in c.outliers],
                    }
                    for c in report.clusters
                ],
                "assignments": [
                    {
                        "path": str(m.path),
                        "cluster": m.cluster,
                        "nearest": m.nearest,
                        "strength": m.strength,
                    }
                    for m in report.members
                ],
                "noise": report.noise,
                "min_cluster_size": report.min_cluster_size,
                "modularity": report.modularity,
                "seed": report.seed,
            }
        )
    else:
        emit_table(
            ("id", "name", "images", "stability", "medoid"),
            [(c.id, c.name, c.size, c.stability, c.representatives[0]) for c in report.clusters],
        )
    if quiet:
        return
    for note in report.notes:
        say(f"note: {note}")
    images = f"{report.noise:,} of {len(report.members):,} images"
    say(f"note: {len(report.clusters)} clusters; {images} in none")
    for name, path in (("page", html), ("picture", png), ("table", to), ("folders", link or copy)):
        if path:
            say(f"{name}: {path}")


def outliers(
    index: Annotated[Path, typer.Argument(help="The index's folder.")],
    k: Annotated[int, typer.Option("-k", help="How many.")] = 20,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the images least like the rest.

    The score is 1 less the mean similarity to the 10 nearest others, as seen from the middle of the
    collection: 0 where they are the same picture, 1 where they are no more alike than any two.
    """
    with embedtool.open(index) as opened, progress_bar(quiet=quiet) as progress:
        found = opened.outliers(k=k, progress=progress)
    if json:
        emit_json(
            {
                "outliers": [
                    {
                        "rank": o.rank,
                        "path": str(o.path),
                        "score": o.score,
                        "nearest": str(o.nearest),
                        "similarity": o.similarity,
                    }
                    for o in found
                ]
            }
        )
        return
    emit_table(
        ("rank", "score", "path", "nearest"), [(o.rank, o.score, o.path, o.nearest) for o in found]
    )
    if not found and not quiet:
        say("note: an outlier needs others; the index holds fewer than two different images")
