"""The report of a search for better settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedtool.core.types import Reject


@dataclass(frozen=True)
class TuneTrial:
    """One trial of a search. accuracy: on the validation photos after its last epoch. finished:
    False if the trial was pruned."""

    number: int
    finished: bool
    accuracy: float
    epochs: int
    seconds: float
    chosen: dict[str, Any]  # what the search chose, by name


@dataclass(frozen=True)
class TuneReport:
    """The state of a search. importance: for each setting, its share, from 0 to 1, of what
    distinguishes the better half of the trials; empty if there are too few trials."""

    study: Path
    config: Path  # the best settings, for `finetune --config`
    model: str
    trained_on: int
    validated_on: int
    trials: tuple[TuneTrial, ...]  # in the order of their start
    best: int  # the number of the best trial
    importance: dict[str, float]
    seed: int
    seconds: float
    rejects: tuple[Reject, ...] = ()
    notes: tuple[str, ...] = ()
