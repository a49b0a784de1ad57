"""The head that training starts from, and is compared with: a linear probe of frozen vectors."""

from dataclasses import dataclass

from embedtool.classification.cross_validation import cross_validate, fit_all, fold_count
from embedtool.classification.logistic_regression import LinearClassifier
from embedtool.classification.splits import assign_folds
from embedtool.core.types import Progress
from embedtool.errors import UsageError
from embedtool.finetune.dataset import Dataset
from embedtool.finetune.settings import FinetuneSettings
from embedtool.finetune.trained_part import Head


@dataclass(frozen=True)
class InitialHead:
    head: Head  # at no temperature: its confidence is not raised before training has changed it
    probe: LinearClassifier  # the same at the fitted temperature
    strength: float  # C


def fit_probe(
    dataset: Dataset, settings: FinetuneSettings, *, progress: Progress | None = None
) -> InitialHead:
    """Fit a probe to all training photos; C and temperature by cross-validation, each group in one
    fold.

    Raises UsageError where each class is copies of one picture.
    """
    rows, labels, groups = dataset.training.vectors, dataset.training.labels, dataset.groups
    classes, balanced = len(dataset.classes), settings.class_weights == "balanced"
    folds = fold_count(labels, groups)
    if folds < 2:
        raise UsageError(
            f"expected a class with two different pictures to learn from, each of the {classes} "
            f"has one and copies of it, {len(labels)} photos in all: add others, or hold out fewer"
        )
    fold_of = assign_folds(labels, groups, folds, seed=settings.seed)
    validation = cross_validate(
        rows, labels, fold_of, classes, balanced=balanced, progress=progress
    )
    strength = validation.best.strength
    classifier = fit_all(
        rows, labels, classes, strength=strength, balanced=balanced, initial=validation.mean
    )
    head = {"logits/kernel": classifier.weights.T, "logits/bias": classifier.bias}
    return InitialHead(head, classifier.with_temperature(validation.temperature), strength)
