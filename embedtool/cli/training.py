"""Options and notes that `finetune` and `tune` share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from embedtool.cli.output import SEEDS, say
from embedtool.core.types import Reject

GIGABYTE = 1e9
Labels = Annotated[
    Path | None,
    typer.Option(
        help="A CSV or Parquet file with the columns path and label.  [default: the names "
        "of the folders]"
    ),
]
Model = Annotated[
    str,
    typer.Option(
        help="The network to start from: auto, builtin, mobilenet_v2 or the folder of a "
        "fine-tuned model."
    ),
]
Validation = Annotated[
    list[Path] | None,
    typer.Option(help="Validation photos, one folder per class.  [default: a share of PHOTOS]"),
]
Seed = Annotated[
    int | None,
    typer.Option(help="Random seed. The same seed gives the same result.  [default: 0]", **SEEDS),
]
CacheSize = Annotated[
    float, typer.Option(min=0.1, help="Largest size of the cache of frozen-layer outputs, in GB.")
]


def say_notes(notes: Sequence[str], rejects: Sequence[Reject]) -> None:
    for note in notes:
        say(f"note: {note}")
    for reject in rejects:
        say(f"rejected: {reject.path}: {reject.stage}: {reject.reason}")
