"""`finetune`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import embedtool
from embedtool.cli.output import Json, Quiet, emit_json, emit_record, say
from embedtool.cli.progress_bar import progress_bar
from embedtool.cli.training import (
    GIGABYTE,
    CacheSize,
    Labels,
    Model,
    Seed,
    Validation,
    say_notes,
)
from embedtool.core.atomic_files import check_writable
from embedtool.errors import UsageError

if TYPE_CHECKING:
    from embedtool.finetune.checkpoint import Epoch


def finetune(
    photos: Annotated[
        list[Path], typer.Argument(help="Training photos, with one folder per class.")
    ],
    out: Annotated[Path, typer.Option(help="The folder to write the model to.")],
    labels: Labels = None,
    model: Model = "auto",
    validation: Validation = None,
    test: Annotated[
        list[Path] | None,
        typer.Option(help="Test photos, one folder per class, used only for the final scores."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="A JSON file of settings. Options on the command line override it."),
    ] = None,
    unfreeze: Annotated[
        str | None,
        typer.Option(
            help="The lowest trainable block: all, block_1 to block_16, Conv_1 or none.  "
            "[default: block_13]"
        ),
    ] = None,
    from_scratch: Annotated[
        bool | None,
        typer.Option("--from-scratch", help="Start from random weights and train all layers."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs in which the upper layers are trained.  [default: 3]")
    ] = None,
    head_epochs: Annotated[
        int | None,
        typer.Option(
            help="Epochs in which only the new head is trained, before the upper layers. Required "
            "with --head-width.  [default: 0]"
        ),
    ] = None,
    copies: Annotated[
        int | None,
        typer.Option(
            help="Augmented copies of each photo. 0 turns augmentation off.  [default: 4]"
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images per training step.  [default: 32]")
    ] = None,
    optimiser: Annotated[
        Literal["adamw", "sgd", "rmsprop"] | None, typer.Option(help="Optimiser.  [default: adamw]")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Learning rate of the upper layers.  [default: 0.0002]")
    ] = None,
    head_learning_rate: Annotated[
        float | None,
        typer.Option(help="Learning rate while only the head is trained.  [default: 0.001]"),
    ] = None,
    schedule: Annotated[
        Literal["cosine", "constant"] | None,
        typer.Option(help="Learning-rate schedule.  [default: constant]"),
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="Decoupled weight decay of the kernels.  [default: 0.001]")
    ] = None,
    dropout: Annotated[
        float | None,
        typer.Option(help="Dropout rate before the head, from 0 to below 1.  [default: 0.3]"),
    ] = None,
    label_smoothing: Annotated[
        float | None, typer.Option(help="Label smoothing, from 0 to below 1.  [default: 0.1]")
    ] = None,
    averaging: Annotated[
        float | None,
        typer.Option(help="Momentum of the weight averaging. 0 turns it off.  [default: 0.998]"),
    ] = None,
    interpolation: Annotated[
        float | None,
        typer.Option(
            help="Interpolate the final weights between the initial weights (0) and the trained "
            "weights (1).  [default: 0.7]"
        ),
    ] = None,
    class_weights: Annotated[
        Literal["none", "balanced"] | None,
        typer.Option(
            help="Class weights in the loss. balanced gives all classes the same weight.  "
            "[default: none]"
        ),
    ] = None,
    head_width: Annotated[
        int | None,
        typer.Option(help="Units of a hidden layer of the head. 0 is a linear head.  [default: 0]"),
    ] = None,
    head_activation: Annotated[
        Literal["relu", "gelu", "tanh"] | None,
        typer.Option(help="Activation of the hidden layer.  [default: relu]"),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            help="Early stopping: stop after this many epochs without a better validation "
            "score. 0 turns it off.  [default: 0]"
        ),
    ] = None,
    validation_share: Annotated[
        float | None,
        typer.Option(
            help="Share of PHOTOS to hold out for validation if --validation is not given.  "
            "[default: 0.1]"
        ),
    ] = None,
    mixed_precision: Annotated[
        bool | None,
        typer.Option("--mixed-precision", help="Train in mixed float16 and float32. Needs a GPU."),
    ] = None,
    seed: Seed = None,
    rotation: Annotated[
        float | None,
        typer.Option(help="Augmentation: largest rotation, in degrees.  [default: 15]"),
    ] = None,
    width_shift: Annotated[
        float | None,
        typer.Option(
            help="Augmentation: largest horizontal shift, as a share of the width.  [default: 0.1]"
        ),
    ] = None,
    height_shift: Annotated[
        float | None,
        typer.Option(
            help="Augmentation: largest vertical shift, as a share of the height.  [default: 0.1]"
        ),
    ] = None,
    shear: Annotated[
        float | None, typer.Option(help="Augmentation: largest shear, in degrees.  [default: 5]")
    ] = None,
    zoom: Annotated[
        float | None,
        typer.Option(
            help="Augmentation: largest zoom. 0.15 means 0.85 to 1.15 times the size.  "
            "[default: 0.15]"
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip",
            help="Augmentation: mirror half of the copies horizontally.  [default: flip]",
        ),
    ] = None,
    colour: Annotated[
        float | None,
        typer.Option(
            help="Augmentation: largest change of brightness, contrast and saturation, as a share "
            "of each.  [default: 0.2]"
        ),
    ] = None,
    fill: Annotated[
        Literal["nearest", "reflect", "black"] | None,
        typer.Option(help="Augmentation: what fills the area beyond the edge.  [default: nearest]"),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Also write examples of augmented photos to this PNG file.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Also write scores, learning curves and mistakes to this HTML file."),
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Also write TensorBoard logs to this folder.")
    ] = None,
    cache_size: CacheSize = 8.0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train the upper part of a network on labelled photos.

    The new head starts as a linear probe of the frozen network. Then the upper layers are trained
    with it, on every photo and on augmented copies. Use the result with `embedtool index PHOTOS
    --model OUT`. Settings come from the command line, then from --config, then from the defaults;
    OUT/report.json records them. If the run is interrupted, the same command continues at the last
    finished epoch.
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
            "--html shows scores on held-out photos, and there are none. Add --test FOLDER, or a "
            "--validation-share above 0"
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
                f"Accuracy compared with a linear probe of the frozen network, on the same photos: "
                f"{gain.value:+.4f}, 95 % interval {gain.interval('+.4f')}.",
                *report.notes,
            ),
        )
    elif html:
        say("note: no HTML page was written: no photos were held out. Add --test FOLDER")
    if json:
        emit_json(record)
    else:
        shown = ("model", "base", "trained_on", "validated_on", "n", "accuracy", "accuracy_ci95",
                 "macro_f1", "gain", "gain_ci95", "rejected", "seconds")  # fmt: skip
        emit_record({name: record[name] for name in shown if name in record})
    if not quiet:
        say_notes(report.notes, report.rejects)
        say(f"to index photos with this model: embedtool index PHOTOS --model {out}")


def _say_epoch(epoch: "Epoch") -> None:
    text = f"epoch {epoch.epoch} {epoch.phase}: loss {epoch.loss:.4f} accuracy {epoch.accuracy:.4f}"
    if epoch.validation_accuracy is not None:
        text += f", validation loss {epoch.validation_loss:.4f} "
        text += f"accuracy {epoch.validation_accuracy:.4f}"
    say(f"{text}, {epoch.seconds:.0f} s")
