"""`probe train / predict / evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

import embedtool
from embedtool.cli.output import (
    Json,
    Quiet,
    Seed,
    emit_json,
    emit_record,
    emit_table,
    say,
)
from embedtool.cli.progress_bar import progress_bar

probe = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
IndexPath = Annotated[Path, typer.Argument(help="The index's folder.")]
ProbePath = Annotated[
    Path, typer.Option("--probe", help="The folder of a probe, or of a fine-tuned model.")
]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="CSV or Parquet with the columns path and label; a path is absolute, or relative to "
        "this file, or to an indexed folder.  [default: the names of the folders]"
    ),
]


@probe.command("train")
def train(
    index: IndexPath,
    out: Annotated[Path, typer.Option(help="Where the probe's folder goes.")],
    labels: Labels = None,
    shots: Annotated[
        int | None, typer.Option(help="Also tell what so many images a class would be good for.")
    ] = None,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Classes weigh the same, whatever their size.")
    ] = False,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Learn the classes of labelled images from their stored vectors.

    A logistic regression whose strength is chosen by cross-validation. The score is of images that
    were not learned from, with near-duplicates on one side of each split; beside it stand the score
    with near-duplicates on both sides (leaky), and that of the k-NN baseline.
    """
    with embedtool.open(index) as opened, progress_bar(quiet=quiet) as progress:
        report = opened.probe(
            labels,
            out=out,
            shots=shots,
            balanced=balanced,
            seed=seed,
            progress=progress,
        )
    if json:
        emit_json(report.record())
    else:
        record = {
            "probe": report.probe,
            "model": report.model,
            "classes": len(report.evaluation.classes),
            "labelled": report.labels.labelled,
            "cross-validated": report.evaluation.n,
            "strength": report.strength,
            "accuracy": report.evaluation.accuracy,
            "macro f1": report.evaluation.macro_f1,
            "leaky accuracy": report.leaky_score,
            "near-duplicates": report.near_duplicates,
            "k-NN accuracy": report.knn_score,
        }
        if few := report.few_shot:
            record[f"accuracy of {few.shots} shots"] = few.accuracy
            record[f"k-NN accuracy of {few.shots} shots"] = few.knn_accuracy
        emit_record(record)
    if not quiet:
        for note in report.notes:
            say(f"note: {note}")


@probe.command("predict")
def predict(
    index: IndexPath,
    probe: ProbePath,
    abstain_below: Annotated[
        float, typer.Option(help="Give no label below this probability.")
    ] = 0.0,
    suggest: Annotated[
        int, typer.Option(help="List this many images most worth a label next, instead.")
    ] = 0,
    to: Annotated[
        Path | None, typer.Option(help="Also write a CSV with the probability of each class here.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say which class each image of an index has, and how surely.

    Most worth a label next are images that many others, which the probe is unsure of, are near to,
    and that no image suggested before is near to.
    """
    with embedtool.open(index) as opened, progress_bar(quiet=quiet) as progress:
        found = opened.predict(
            probe, abstain_below=abstain_below, suggest_count=suggest, progress=progress
        )
    if to:
        found.write_table(to)
    if json:
        emit_json(found.record())
    elif suggest:
        emit_table(("path",), [(path,) for path in found.suggested])
    else:
        emit_table(
            ("label", "probability", "margin", "path"),
            [(one.label or "", one.probability, one.margin, one.path) for one in found.images],
        )
    if quiet:
        return
    if found.abstained:
        say(f"note: {found.abstained} of {len(found.images)} images have no label, being unsure")
    if to:
        say(f"predictions: {to}")


@probe.command("evaluate")
def evaluate(
    index: IndexPath,
    probe: ProbePath,
    labels: Labels = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write a page with the mistakes as pictures here.")
    ] = None,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare a probe's predictions with labels.

    Every score with its 95 % interval by bootstrap over images. Images that were learned from are
    told, and classes that the probe does not know left out.
    """
    with embedtool.open(index) as opened, progress_bar(quiet=quiet) as progress:
        found = opened.evaluate(probe, labels=labels, seed=seed, progress=progress)
    if html:
        found.write_html(html)
    if json:
        emit_json(found.record())
    else:
        scores = found.evaluation.headlines()
        emit_record(
            {
                "images": found.evaluation.n,
                "classes": len(found.evaluation.classes),
                **{name.replace("_", " "): one for name, one in scores.items()},
            }
        )
        emit_table(
            ("class", "images", "precision", "recall", "f1"),
            [(c.name, c.support, c.precision, c.recall, c.f1) for c in found.evaluation.per_class],
        )
    if not quiet:
        for note in found.notes():
            say(f"note: {note}")
    if html:
        say(f"page: {html}")
