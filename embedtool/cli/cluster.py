"""`cluster` and `outliers`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

import embedtool
from embedtool.cli.output import (
    Json,
    Quiet,
    RawCsv,
    Seed,
    check_distinct,
    check_raw_csv,
    emit_json,
    emit_table,
    say,
)
from embedtool.cli.progress_bar import progress_bar
from embedtool.errors import UsageError


def cluster(
    index: Annotated[Path, typer.Argument(help="The folder of the index.")],
    detail: Annotated[
        float,
        typer.Option(
            help="Level of detail: 2 makes the clusters about half as large, 0.5 twice as large."
        ),
    ] = 1.0,
    name_by: Annotated[
        Literal["label", "imagenet"] | None,
        typer.Option(
            help="label names each cluster after the folder that most of its images are in. "
            "imagenet names it after ImageNet classes; the index must be made with "
            "mobilenet_v2.  [default: a number for each]"
        ),
    ] = None,
    seed: Seed = 0,
    to: Annotated[
        Path | None,
        typer.Option(help="Also write the cluster of each image to this .csv or .parquet file."),
    ] = None,
    raw_csv: RawCsv = False,
    html: Annotated[
        Path | None, typer.Option(help="Also write a contact sheet to this HTML file.")
    ] = None,
    png: Annotated[
        Path | None, typer.Option(help="Also write a contact sheet to this PNG file.")
    ] = None,
    link: Annotated[
        Path | None,
        typer.Option(help="Create this folder. A subfolder per cluster holds links to its images."),
    ] = None,
    copy: Annotated[
        Path | None,
        typer.Option(
            help="Create this folder. A subfolder per cluster holds copies of its images."
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Group similar images, without a given number of groups.

    Builds a neighbour graph of the vectors, projects it with UMAP and clusters it with HDBSCAN. An
    image that belongs to no cluster is a noise point and has the cluster -1; `nearest` is the
    cluster that it is closest to. The index stores the clusters, and `search` and `map` show them.
    Running the command again with another --detail takes seconds.
    """
    if link and copy:
        raise UsageError("expected at most one of --link and --copy, received both")
    check_distinct(to, html, png, link, copy)
    check_raw_csv(raw_csv, to)
    with embedtool.open(index) as opened, progress_bar(quiet=quiet) as progress:
        report = opened.cluster(detail=detail, name_by=name_by, seed=seed, progress=progress)
    if to:
        report.write_table(to, raw_csv=raw_csv)
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
    say(f"note: {len(report.clusters)} clusters; {images} are noise points")
    for name, path in (("page", html), ("picture", png), ("table", to), ("folders", link or copy)):
        if path:
            say(f"{name}: {path}")


def outliers(
    index: Annotated[Path, typer.Argument(help="The folder of the index.")],
    k: Annotated[int, typer.Option("-k", help="Number of outliers to list.")] = 20,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the images that are least similar to the others.

    The score of an image is 1 minus its mean similarity to its 10 nearest neighbours. Similarity is
    the cosine after the mean of all vectors is subtracted. The score is 0 if the neighbours show
    the same picture, and about 1 if they are as different from the image as random ones.
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
        say("note: there are no outliers: the index has fewer than two different images")
