"""`tune`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import embedtool
from embedtool.cli.output import Json, Quiet, emit_json, emit_table, say
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


def tune(
    photos: Annotated[
        list[Path], typer.Argument(help="Training photos, with one folder per class.")
    ],
    out: Annotated[
        Path, typer.Option(help="The folder to write the trials and the best settings to.")
    ],
    labels: Labels = None,
    model: Model = "auto",
    validation: Validation = None,
    trials: Annotated[
        int, typer.Option(min=1, help="Total number of trials, counting those of earlier runs.")
    ] = 20,
    config: Annotated[
        Path | None, typer.Option(help="A JSON file with the settings of the first trial.")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Number of epochs for which each trial trains the upper layers.  [default: 3]"
        ),
    ] = None,
    copies: Annotated[
        int | None, typer.Option(help="Augmented copies of each photo.  [default: 4]")
    ] = None,
    seed: Seed = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Also write the history and the importance of the settings to this HTML file."
        ),
    ] = None,
    cache_size: CacheSize = 8.0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Search for better fine-tuning settings.

    Each trial trains with other settings and is scored on validation photos held out of PHOTOS.
    PHOTOS must not contain the test photos of the final model. Trials whose
    score is below the median of the others are stopped early. The first trial has the default
    settings, so the best is at least as good. The best settings are written to OUT/best.json, for
    `embedtool finetune PHOTOS --config OUT/best.json`. If the search is interrupted, the same
    command continues it.
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
        say_notes(report.notes, report.rejects)
        say(
            "to train with the best settings: embedtool finetune PHOTOS --out MODEL --config "
            f"{report.config}"
        )


def _settings_text(chosen: dict[str, object]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in chosen.items()
    )
