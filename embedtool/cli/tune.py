"""`tune`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import embedtool
from embedtool.cli.output import Json, Quiet, emit_json, emit_table, progress_bar, say

GIGABYTE = 1e9


def tune(
    photos: Annotated[list[Path], typer.Argument(help="Photos to learn from, one folder a class.")],
    out: Annotated[Path, typer.Option(help="The folder of the search.")],
    labels: Annotated[
        Path | None, typer.Option(help="A table of path and label, instead of the folders' names.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="auto, builtin, mobilenet_v2, or a MobileNetV2 model folder.")
    ] = "auto",
    validation: Annotated[
        list[Path] | None, typer.Option(help="Photos to choose by.  [default: a share of PHOTOS]")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Finished ones, earlier runs' too.")] = 20,
    config: Annotated[
        Path | None, typer.Option(help="Settings as JSON: where the search starts.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Of each trial's phase two.")] = None,
    copies: Annotated[int | None, typer.Option(help="Augmented copies of each photo.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.  [default: 0]")] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write a page of history and importance here.")
    ] = None,
    cache_size: Annotated[
        float, typer.Option(min=0.1, help="GB of the user cache for what is computed once.")
    ] = 8.0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Search for better fine-tuning settings; OUT/best.json has the best so far.

    Each trial trains with other settings and is judged on photos held out of PHOTOS; keep those
    that will judge the final model elsewhere. Trials that fall behind are cut short. The first is
    the defaults, so that the best is at least as good. Interrupted, the same command goes on:
    `embedtool finetune PHOTOS --config OUT/best.json` uses what it found.
    """
    given = {"epochs": epochs, "copies": copies, "seed": seed}
    changes = embedtool.read_settings(config) if config else {}
    changes |= {name: value for name, value in given.items() if value is not None}
    with progress_bar("searching", quiet=quiet) as progress:
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
        embedtool.write_tuning_page(report, html)
    record = asdict(report)
    notes = record.pop("notes")
    if json:
        emit_json({**record, "study": str(report.study), "config": str(report.config)})
    else:
        best = sorted(report.trials, key=lambda trial: -trial.accuracy)
        emit_table(
            ("trial", "accuracy", "epochs", "seconds", "chosen"),
            [(t.number, t.accuracy, t.epochs, round(t.seconds), _told(t.chosen)) for t in best],
        )
    if not quiet:
        for note in notes:
            say(f"note: {note}")
        say(f"use it: embedtool finetune PHOTOS --out MODEL --config {report.config}")


def _told(chosen: dict[str, object]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in chosen.items()
    )
