"""Choose the regularisation strength of a linear classifier on unit vectors, and score it.

Every image is scored by a classifier that was not trained on it: the images are split into folds,
and each fold is predicted by a classifier trained on the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from embedtool.classification.logistic_regression import (
    Labels,
    LinearClassifier,
    PrincipalAxes,
    SampleWeights,
    fit,
)
from embedtool.classification.splits import Numbers
from embedtool.classification.temperature import Probabilities, apply_temperature, fit_temperature
from embedtool.core.types import Progress, Vectors
from embedtool.errors import UsageError

STRENGTHS = tuple(round(10 ** (step / 2), 4) for step in range(-2, 7))  # C, 0.1 to 1,000
PATIENCE = 2  # the search ends after this many strengths in a row that are no better
FOLDS = 5
TOLERANCE = 1e-5  # of the fits in cross-validation: accuracies then agree to four digits


@dataclass(frozen=True)
class Trial:
    """One strength and its mean log loss and accuracy on the held-out folds."""

    strength: float
    log_loss: float
    accuracy: float


@dataclass(frozen=True)
class CrossValidation:
    """The trials, the best one, and its out-of-fold predictions for each image (n, c) at the fitted
    temperature; `note` says why no temperature was fitted. `mean` is the mean of its classifiers
    without temperature, a good start for the classifier of all images."""

    trials: tuple[Trial, ...]
    best: Trial
    probabilities: Probabilities
    temperature: float
    note: str
    mean: LinearClassifier


def fold_count(labels: Labels, groups: Numbers) -> int:
    """Return FOLDS, or the largest number of groups in a class if it is smaller."""
    return min(FOLDS, max(np.unique(groups[labels == c]).size for c in np.unique(labels)))


def sample_weights(labels: Labels, classes: int, *, balanced: bool) -> SampleWeights:
    """Return the weight of each image (n,): 1, or if balanced, such that all classes weigh the
    same."""
    if not balanced:
        return np.ones(len(labels), np.float32)
    sizes = np.bincount(labels, minlength=classes)
    return (len(labels) / (classes * sizes[labels])).astype(np.float32)


def fit_all(
    rows: Vectors,
    labels: Labels,
    classes: int,
    *,
    strength: float,
    balanced: bool = False,
    initial: LinearClassifier | None = None,
    progress: Progress | None = None,
) -> LinearClassifier:
    """Fit a classifier to all rows (n, d)."""
    return fit(
        rows,
        labels,
        sample_weights(labels, classes, balanced=balanced),
        classes,
        strength=strength,
        axes=PrincipalAxes(rows),
        training=[slice(0, len(rows))],
        initial=initial,
        progress=progress,
    )


def cross_validate(
    rows: Vectors,
    labels: Labels,
    folds: Numbers,
    classes: int,
    *,
    strengths: Sequence[float] = STRENGTHS,
    balanced: bool = False,
    progress: Progress | None = None,
    stage: str = "choosing strength",
) -> CrossValidation:
    """Try strengths (C) in ascending order on unit rows (n, d), each starting from the last fit.

    folds: the fold (n,) of each image; those of fold -1 are trained on in every fold, and have no
    predictions (NaN). The strength with the best accuracy is chosen, and among
    equal ones that with the lowest log loss. The search ends early if PATIENCE more are no better.
    Log loss is not the criterion, since strong regularisation makes a classifier underconfident,
    which the temperature corrects. On 10,000 real vectors in 200 noisy classes, log loss would
    choose C = 31.6 with an accuracy of 0.588, but C = 3.16 has 0.640.
    """
    order = np.argsort(folds, kind="stable")
    rows, labels = rows[order], labels[order]
    weights = sample_weights(labels, classes, balanced=balanced)
    edges = np.searchsorted(folds[order], np.arange(folds.max() + 2))
    scored = slice(int(edges[0]), None)
    axes = PrincipalAxes(rows)
    classifiers: list[LinearClassifier | None] = [None] * (len(edges) - 1)
    trials: list[Trial] = []
    best: tuple[Trial, Probabilities, LinearClassifier] | None = None
    for number, strength in enumerate(strengths):
        predicted = np.full((len(rows), classes), np.nan, np.float32)
        for fold, (first, end) in enumerate(pairwise(edges.tolist())):
            classifier = classifiers[fold] = fit(
                rows,
                labels,
                weights,
                classes,
                strength=strength,
                axes=axes,
                training=[slice(0, first), slice(end, len(rows))],
                initial=classifiers[fold],
                tolerance=TOLERANCE,
            )
            predicted[first:end] = classifier.probabilities(rows[first:end])
            if progress:
                done = number * len(classifiers) + fold + 1
                progress(done, len(strengths) * len(classifiers), stage=stage)
        truth, found = labels[scored], predicted[scored]
        own = found[np.arange(len(truth)), truth].astype(np.float64)
        loss = float(-np.log(own.clip(np.finfo(np.float32).tiny)).mean())
        trials.append(Trial(strength, loss, float((found.argmax(1) == truth).mean())))
        if best is None or _rank(trials[-1]) > _rank(best[0]):
            best = trials[-1], predicted, _mean([c for c in classifiers if c is not None])
        if best[0] not in trials[-PATIENCE:]:
            break
    if best is None:
        raise UsageError("expected at least one strength (C) to try, received none")
    temperature, note = fit_temperature(best[1][scored], labels[scored])
    probabilities = np.full_like(best[1], np.nan)
    probabilities[order[scored]] = apply_temperature(best[1][scored], temperature)
    return CrossValidation(tuple(trials), best[0], probabilities, temperature, note, best[2])


def _rank(trial: Trial) -> tuple[float, float]:
    return trial.accuracy, -trial.log_loss


def _mean(classifiers: list[LinearClassifier]) -> LinearClassifier:
    return LinearClassifier(
        np.mean([c.weights for c in classifiers], 0), np.mean([c.bias for c in classifiers], 0)
    )
