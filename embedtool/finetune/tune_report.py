"""What a search for better settings has found."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedtool.core.types import Reject


@dataclass(frozen=True)
class TuneTrial:
    """One trial of a search. accuracy: on the validation photos, after its last epoch; one that
    fell behind was cut short before."""

    number: int
    finished: bool
    accuracy: float
    epochs: int
    seconds: float
    chosen: dict[str, Any]  # what the search chose, by name


@dataclass(frozen=True)
class TuneReport:
    """What a search has found so far. importance: by choice, how much of what sets the better half
    of the trials apart it explains, shares of 1; empty where there are too few trials."""

    study: Path
    config: Path  # the best settings, as `finetune --config` takes them
    model: str
    trained_on: int
    validated_on: int
    trials: tuple[TuneTrial, ...]  # in the order they were begun
    best: int  # its number
    importance: dict[str, float]
    seed: int
    seconds: float
    rejects: tuple[Reject, ...] = ()
    notes: tuple[str, ...] = ()
