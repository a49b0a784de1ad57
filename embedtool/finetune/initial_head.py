"""The initial head: a linear probe on frozen vectors, which is also the baseline."""

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
    head: Head  # without temperature, so that training does not start overconfident
    probe: LinearClassifier  # with the fitted temperature
    strength: float  # C


def fit_probe(
    dataset: Dataset, settings: FinetuneSettings, *, progress: Progress | None = None
) -> InitialHead:
    """Fit a probe to all training photos. C and the temperature are chosen by cross-validation,
    with each group in one fold.

    Raises UsageError if each class has only copies of one picture.
    """
    rows, labels, groups = dataset.training.vectors, dataset.training.labels, dataset.groups
    classes, balanced = len(dataset.classes), settings.class_weights == "balanced"
    folds = fold_count(labels, groups)
    if folds < 2:
        raise UsageError(
            f"expected a class with two different training pictures, but each of the {classes} "
            f"classes has only copies of one, {len(labels)} photos in all: add more photos, or "
            "hold out fewer"
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
