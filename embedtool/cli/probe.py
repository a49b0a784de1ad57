"""`probe train / predict / evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

import embedtool
from embedtool.cli.output import (
    Json,
    Quiet,
    RawCsv,
    Seed,
    check_raw_csv,
    emit_json,
    emit_record,
    emit_table,
    say,
)
from embedtool.cli.progress_bar import progress_bar

probe = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
IndexPath = Annotated[Path, typer.Argument(help="The folder of the index.")]
ProbePath = Annotated[
    Path, typer.Option("--probe", help="The folder of a probe, or of a fine-tuned model.")
]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="A CSV or Parquet file with the columns path and label. A path is absolute, or "
        "relative to this file or to an indexed folder.  [default: the names of the "
        "folders]"
    ),
]


@probe.command("train")
def train(
    index: IndexPath,
    out: Annotated[Path, typer.Option(help="The folder to write the probe to.")],
    labels: Labels = None,
    shots: Annotated[
        int | None,
        typer.Option(
            help="Also report the accuracy of a probe trained on only this many images per class."
        ),
    ] = None,
    balanced: Annotated[
        bool,
        typer.Option(
            "--balanced", help="Give all classes the same weight, however many images each has."
        ),
    ] = False,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a linear classifier on the vectors of labelled images.

    The classifier is a logistic regression. Cross-validation chooses its regularisation strength
    (C) and measures its accuracy: on images that it was not trained on, with near-duplicates on the
    same side of each split. The accuracy to expect of the probe, which is trained on all images, is
    extrapolated. For comparison, the output also has the accuracy with near-duplicates on both
    sides of the split (leaky) and the accuracy of the k-NN baseline.
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
            **{
                f"accuracy of {point.images} images"
                + (", extrapolated" if point.extrapolated else ""): f"{point.accuracy:.4f}"
                for point in report.learning_curve
            },
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
        float,
        typer.Option(
            help="Give no label to images whose most likely class has a probability below this, "
            "from 0 to 1."
        ),
    ] = 0.0,
    suggest: Annotated[
        int,
        typer.Option(help="List this many images to label next, instead of the predictions."),
    ] = 0,
    to: Annotated[
        Path | None,
        typer.Option(
            help="Also write the probability of each class to this .csv or .parquet file."
        ),
    ] = None,
    raw_csv: RawCsv = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Predict the class of every image of an index.

    --suggest lists the images whose labels would help the classifier most: each has many uncertain
    images near it, which are not near an image listed before it.
    """
    check_raw_csv(raw_csv, to)
    with embedtool.open(index) as opened, progress_bar(quiet=quiet) as progress:
        found = opened.predict(
            probe, abstain_below=abstain_below, suggest_count=suggest, progress=progress
        )
    if to:
        found.write_table(to, raw_csv=raw_csv)
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
        say(
            f"note: {found.abstained} of {len(found.images)} images have no label: the probability "
            "of their most likely class is below --abstain-below"
        )
    if to:
        say(f"predictions: {to}")


@probe.command("evaluate")
def evaluate(
    index: IndexPath,
    probe: ProbePath,
    labels: Labels = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Also write the scores, and the misclassified images, to this HTML file."
        ),
    ] = None,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare the predictions of a probe with labels.

    Each score has a 95 % confidence interval. Images that the probe or its network was trained on
    are left out, and so are images of classes that the probe does not know.
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
            ("class", "images", "precision", "recall", "f1", "interval of f1"),
            [
                (c.name, c.support, c.precision, c.recall, c.f1, c.f1_interval())
                for c in found.evaluation.per_class
            ],
        )
    if not quiet:
        for note in found.notes():
            say(f"note: {note}")
    if html:
        say(f"page: {html}")
