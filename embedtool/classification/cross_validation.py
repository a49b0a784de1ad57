"""A linear classifier on unit vectors: its regularisation chosen, its score told, from arrays.

Everything is judged on images that were not learned from: they are dealt into parts, each part is
predicted by a probe of the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from embedtool.classification.logistic_regression import Axes, Labels, Solution, Weights, fit
from embedtool.classification.splits import Numbers
from embedtool.classification.temperature import Probabilities, apply_temperature, fit_temperature
from embedtool.core.types import Progress, Vectors
from embedtool.errors import UsageError

GRID = tuple(round(10 ** (step / 2), 4) for step in range(-2, 7))  # C, 0.1 to 1,000
WORSE = 2  # strengths in a row that are no better end the search
PARTS = 5
ROUGHLY = 1e-5  # how close the probes that judge come: their scores then agree to four digits


@dataclass(frozen=True)
class Trial:
    """One strength, judged on the parts left out: mean log loss, share right."""

    strength: float
    log_loss: float
    accuracy: float


@dataclass(frozen=True)
class CrossValidation:
    """The trials, the most accurate one, and how it predicted each image (n, c) from the other
    parts, at the temperature that makes its confidence true, or a note on why there is none.
    `mean` is the mean of its probes, at no temperature: near the probe of all, a start for it."""

    trials: tuple[Trial, ...]
    chosen: Trial
    probabilities: Probabilities
    temperature: float
    note: str
    mean: Solution


def class_counts(labels: Labels, classes: int, *, balanced: bool) -> Weights:
    """What each image (n,) weighs: 1, or balanced, so that every class weighs the same."""
    if not balanced:
        return np.ones(len(labels), np.float32)
    sizes = np.bincount(labels, minlength=classes)
    return (len(labels) / (classes * sizes[labels])).astype(np.float32)


def cross_validate(
    rows: Vectors,
    labels: Labels,
    parts: Numbers,
    classes: int,
    *,
    strengths: Sequence[float] = GRID,
    balanced: bool = False,
    progress: Progress | None = None,
    stage: str = "choosing strength",
) -> CrossValidation:
    """Try strengths (C) in ascending order on unit rows (n, d), each from where the last ended.

    parts (n,) says which part each image is judged in. Chosen is the most accurate, of equal ones
    that of the least log loss; the search ends early where WORSE more were no better. The log loss
    chooses ill, for a strong pull makes a probe unsure, which one number mends: of 10,000 real
    vectors in 200 noisy classes it takes 31.6 with 0.588 right, where 3.16 has 0.640.
    """
    order = np.argsort(parts, kind="stable")
    rows, labels = rows[order], labels[order]
    counts = class_counts(labels, classes, balanced=balanced)
    edges = np.searchsorted(parts[order], np.arange(parts.max() + 2))
    axes = Axes(rows)
    solutions: list[Solution | None] = [None] * (len(edges) - 1)
    trials: list[Trial] = []
    best: tuple[Trial, Probabilities, Solution] | None = None
    for number, strength in enumerate(strengths):
        found = np.empty((len(rows), classes), np.float32)
        for part, (first, end) in enumerate(pairwise(edges.tolist())):
            others = [slice(0, first), slice(end, len(rows))]
            solution = solutions[part] = fit(
                rows,
                labels,
                counts,
                classes,
                strength=strength,
                axes=axes,
                parts=others,
                start=solutions[part],
                close=ROUGHLY,
            )
            found[first:end] = solution.probabilities(rows[first:end])
            if progress:
                done = number * len(solutions) + part + 1
                progress(done, len(strengths) * len(solutions), 0, stage)
        own = found[np.arange(len(labels)), labels].astype(np.float64)
        loss = float(-np.log(own.clip(np.finfo(np.float32).tiny)).mean())
        trials.append(Trial(strength, loss, float((found.argmax(1) == labels).mean())))
        if best is None or _rank(trials[-1]) > _rank(best[0]):
            best = trials[-1], found, _mean([s for s in solutions if s is not None])
        if best[0] not in trials[-WORSE:]:
            break
    if best is None:
        raise UsageError("expected at least one strength to try")
    temperature, note = fit_temperature(best[1], labels)
    back = np.empty_like(best[1])
    back[order] = apply_temperature(best[1], temperature)
    return CrossValidation(tuple(trials), best[0], back, temperature, note, best[2])


def _rank(trial: Trial) -> tuple[float, float]:
    return trial.accuracy, -trial.log_loss


def _mean(solutions: list[Solution]) -> Solution:
    return Solution(
        np.mean([s.weights for s in solutions], 0), np.mean([s.bias for s in solutions], 0)
    )
