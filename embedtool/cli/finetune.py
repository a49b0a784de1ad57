"""`finetune`, and `tune`, which searches for its settings."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import embedtool
from embedtool.cli.output import SEEDS, Json, Quiet, emit_json, emit_record, emit_table, say
from embedtool.cli.progress_bar import progress_bar
from embedtool.core.atomic_files import check_writable
from embedtool.core.types import Reject
from embedtool.errors import UsageError

if TYPE_CHECKING:
    from embedtool.finetune.checkpoint import Epoch
GIGABYTE = 1e9
Labels = Annotated[
    Path | None, typer.Option(help="A table of path and label, instead of the folders' names.")
]
Model = Annotated[
    str, typer.Option(help="auto, builtin, mobilenet_v2, or a MobileNetV2 model folder.")
]
Validation = Annotated[
    list[Path] | None, typer.Option(help="Photos to choose by.  [default: a share of PHOTOS]")
]
Seed = Annotated[int | None, typer.Option(help="Of everything random.  [default: 0]", **SEEDS)]
CacheSize = Annotated[
    float, typer.Option(min=0.1, help="GB of the user cache for what is computed once.")
]


def finetune(
    photos: Annotated[list[Path], typer.Argument(help="Photos, one folder a class.")],
    out: Annotated[Path, typer.Option(help="The model folder to write.")],
    labels: Labels = None,
    model: Model = "auto",
    validation: Validation = None,
    test: Annotated[
        list[Path] | None, typer.Option(help="Photos to judge the result on; never learned from.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings as JSON; options given here go before it.")
    ] = None,
    unfreeze: Annotated[
        str | None,
        typer.Option(help="The lowest part to train: all, block_1 to block_16, Conv_1, none."),
    ] = None,
    from_scratch: Annotated[
        bool | None, typer.Option("--from-scratch", help="Random weights, all trained.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over all photos and copies, the layers trained.")
    ] = None,
    head_epochs: Annotated[
        int | None, typer.Option(help="Of the head alone, before; a --head-width needs some.")
    ] = None,
    copies: Annotated[
        int | None, typer.Option(help="Augmented copies of each photo; 0: no augmentation.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step.")] = None,
    optimiser: Annotated[str | None, typer.Option(help="adamw, sgd or rmsprop.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of phase two.")] = None,
    head_learning_rate: Annotated[float | None, typer.Option(help="Of phase one.")] = None,
    schedule: Annotated[str | None, typer.Option(help="cosine or constant.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Decoupled, of kernels.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Before the head.")] = None,
    label_smoothing: Annotated[float | None, typer.Option(help="From 0 to below 1.")] = None,
    averaging: Annotated[
        float | None, typer.Option(help="Momentum of the mean of the weights; 0: none.")
    ] = None,
    interpolation: Annotated[
        float | None, typer.Option(help="Of the way from the first weights that is kept; 1: all.")
    ] = None,
    class_weights: Annotated[str | None, typer.Option(help="none or balanced.")] = None,
    head_width: Annotated[int | None, typer.Option(help="Of a hidden layer; 0: none.")] = None,
    head_activation: Annotated[str | None, typer.Option(help="relu, gelu or tanh.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without a better validation.")
    ] = None,
    validation_share: Annotated[
        float | None, typer.Option(help="Of PHOTOS, held out where --validation names none.")
    ] = None,
    mixed_precision: Annotated[
        bool | None, typer.Option("--mixed-precision", help="float16, on a GPU.")
    ] = None,
    seed: Seed = None,
    rotation: Annotated[float | None, typer.Option(help="Degrees, either way.")] = None,
    width_shift: Annotated[float | None, typer.Option(help="Share of the width.")] = None,
    height_shift: Annotated[float | None, typer.Option(help="Share of the height.")] = None,
    shear: Annotated[float | None, typer.Option(help="Degrees.")] = None,
    zoom: Annotated[float | None, typer.Option(help="0.15: 0.85 to 1.15 times as large.")] = None,
    flip: Annotated[
        bool | None, typer.Option("--flip/--no-flip", help="Mirror every other.")
    ] = None,
    colour: Annotated[
        float | None, typer.Option(help="Of brightness, contrast and saturation.")
    ] = None,
    fill: Annotated[
        str | None, typer.Option(help="nearest, reflect or black, beyond the edge.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Also write a PNG of augmented photos here.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write a page of scores, curves and mistakes here.")
    ] = None,
    tensorboard: Annotated[Path | None, typer.Option(help="Also write its logs here.")] = None,
    cache_size: CacheSize = 8.0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train the upper part of a network on labelled photos.

    The head begins as a probe of the frozen network; then the layers above a cut are trained with
    it, over every photo as it is and in augmented copies. `embedtool index PHOTOS --model OUT`
    takes the result. What is not given here comes from --config, else from the defaults, which
    OUT/report.json records. Interrupted, the same command goes on at its last epoch.
    """
    given = {
        name: value
        for name, value in locals().items()
        if value is not None and name in embedtool.FinetuneSettings().record()
    }
    from embedtool.finetune.settings import read_settings

    if from_scratch:
        given.setdefault("unfreeze", "all")
    changes = (read_settings(config) if config else {}) | given
    settings = embedtool.FinetuneSettings().with_changes(changes)
    for path in filter(None, (html, sheet)):
        check_writable(path)
    if html and not (test or validation or settings.validation_share):
        raise UsageError(
            "--html needs photos to judge by, none are held out: name some with --test"
        )
    with progress_bar(quiet=quiet) as progress:
        report = embedtool.finetune_model(
            photos,
            out=out,
            model=model,
            labels=labels,
            validation=validation or None,
            test=test or None,
            settings=settings,
            sheet=sheet,
            tensorboard=tensorboard,
            cache_bytes=int(cache_size * GIGABYTE),
            after_epoch=None if quiet else _say_epoch,
            progress=progress,
        )
    record = report.record()
    if html and report.test_result:
        from embedtool.report.evaluation_page import write_evaluation_page

        gain = report.test_result.gain
        write_evaluation_page(
            report.test_result.evaluation,
            html,
            title=f"{out.name}, fine-tuned from {report.base}",
            mistakes=report.test_result.mistakes(),
            curves=record["history"],
            notes=(
                f"Accuracy over a linear probe of the frozen network, on the same photos: "
                f"{gain.value:+.4f}, {gain.low:+.4f} to {gain.high:+.4f}.",
                *report.notes,
            ),
        )
    elif html:
        say("no page: no photo was held out to judge by; name some with --test")
    if json:
        emit_json(record)
    else:
        shown = ("model", "base", "trained_on", "validated_on", "n", "accuracy", "accuracy_ci95",
                 "macro_f1", "gain", "gain_ci95", "rejected", "seconds")  # fmt: skip
        emit_record({name: record[name] for name in shown if name in record})
    if not quiet:
        _say_notes(report.notes, report.rejects)
        say(f"index with it: embedtool index PHOTOS --model {out}")


def _say_epoch(epoch: "Epoch") -> None:
    text = f"epoch {epoch.epoch} {epoch.phase}: loss {epoch.loss:.4f} accuracy {epoch.accuracy:.4f}"
    if epoch.validation_accuracy is not None:
        text += f", validation loss {epoch.validation_loss:.4f} "
        text += f"accuracy {epoch.validation_accuracy:.4f}"
    say(f"{text}, {epoch.seconds:.0f} s")


def tune(
    photos: Annotated[list[Path], typer.Argument(help="Photos to learn from, one folder a class.")],
    out: Annotated[Path, typer.Option(help="The folder of the search.")],
    labels: Labels = None,
    model: Model = "auto",
    validation: Validation = None,
    trials: Annotated[int, typer.Option(min=1, help="Finished ones, earlier runs' too.")] = 20,
    config: Annotated[
        Path | None, typer.Option(help="Settings as JSON: where the search starts.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Of each trial's phase two.")] = None,
    copies: Annotated[int | None, typer.Option(help="Augmented copies of each photo.")] = None,
    seed: Seed = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write a page of history and importance here.")
    ] = None,
    cache_size: CacheSize = 8.0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Search for better fine-tuning settings; the best go to OUT/best.json.

    Each trial trains with other settings and is judged on photos held out of PHOTOS; keep those
    that will judge the final model elsewhere. Trials that fall behind are cut short. The first is
    the defaults, so that the best is at least as good. Interrupted, the same command goes on:
    `embedtool finetune PHOTOS --config OUT/best.json` uses what it found.
    """
    from embedtool.finetune.settings import read_settings

    if html:
        check_writable(html)
    given = {"epochs": epochs, "copies": copies, "seed": seed}
    changes = read_settings(config) if config else {}
    changes |= {name: value for name, value in given.items() if value is not None}
    with progress_bar(quiet=quiet) as progress:
        report = embedtool.tune_model(
            photos,
            out=out,
            model=model,
            labels=labels,
            validation=validation or None,
            trials=trials,
            settings=embedtool.FinetuneSettings().with_changes(changes),
            cache_bytes=int(cache_size * GIGABYTE),
            progress=progress,
        )
    if html:
        from embedtool.report.tuning_page import write_tuning_page

        write_tuning_page(report, html)
    record = asdict(report)
    del record["notes"], record["rejects"]
    record["rejected"] = len(report.rejects)
    if json:
        emit_json({**record, "study": str(report.study), "config": str(report.config)})
    else:
        best = sorted(report.trials, key=lambda trial: -trial.accuracy)
        emit_table(
            ("trial", "accuracy", "epochs", "seconds", "chosen"),
            [
                (t.number, t.accuracy, t.epochs, round(t.seconds), _settings_text(t.chosen))
                for t in best
            ],
        )
    if not quiet:
        _say_notes(report.notes, report.rejects)
        say(f"use it: embedtool finetune PHOTOS --out MODEL --config {report.config}")


def _say_notes(notes: Sequence[str], rejects: Sequence[Reject]) -> None:
    for note in notes:
        say(f"note: {note}")
    for reject in rejects:
        say(f"rejected: {reject.path}: {reject.stage}: {reject.reason}")


def _settings_text(chosen: dict[str, object]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in chosen.items()
    )
