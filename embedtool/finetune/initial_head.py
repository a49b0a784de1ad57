"""The head that training starts from, and is compared with: a linear probe of frozen vectors."""

from dataclasses import dataclass

import numpy as np

from embedtool.classification.cross_validation import PARTS, class_counts, cross_validate
from embedtool.classification.logistic_regression import Axes, Solution, fit
from embedtool.classification.splits import assign_folds
from embedtool.core.types import Progress
from embedtool.errors import UsageError
from embedtool.finetune.dataset import Dataset
from embedtool.finetune.settings import FinetuneSettings
from embedtool.finetune.trained_part import Head


@dataclass(frozen=True)
class Start:
    head: Head  # at no temperature: its confidence is not raised before training has changed it
    probe: Solution  # the same at the temperature that makes its confidence true
    strength: float  # C


def fit_probe(
    album: Dataset, settings: FinetuneSettings, *, progress: Progress | None = None
) -> Start:
    """A probe of all photos to learn from; C and temperature by cross-validation, each group in one
    part.

    Raises UsageError where each class is copies of one picture.
    """
    rows, labels, groups = album.training.vectors, album.training.labels, album.groups
    classes, balanced = len(album.classes), settings.class_weights == "balanced"
    most = max(np.unique(groups[labels == c]).size for c in np.unique(labels))
    if most < 2:
        raise UsageError(
            f"expected a class with two different pictures to learn from, each of the {classes} "
            f"has one and copies of it, {len(labels)} photos in all: add others, or hold out fewer"
        )
    parts = assign_folds(labels, groups, min(PARTS, most), seed=settings.seed)
    tried = cross_validate(rows, labels, parts, classes, balanced=balanced, progress=progress)
    strength = tried.chosen.strength
    solution = fit(
        rows,
        labels,
        class_counts(labels, classes, balanced=balanced),
        classes,
        strength=strength,
        axes=Axes(rows),
        parts=[slice(0, len(rows))],
        start=tried.mean,
    )
    head = {"logits/kernel": solution.weights.T, "logits/bias": solution.bias}
    return Start(head, solution.at(tried.temperature), strength)
