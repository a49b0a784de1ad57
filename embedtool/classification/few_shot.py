"""Measure the accuracy with a few labelled images per class."""

from dataclasses import dataclass

import numpy as np

from embedtool.classification.bootstrap import bootstrap_mean
from embedtool.classification.cross_validation import FOLDS, cross_validate, fit_all
from embedtool.classification.intervals import Estimate
from embedtool.classification.knn import predict_knn
from embedtool.classification.logistic_regression import Labels
from embedtool.classification.splits import Numbers, assign_folds
from embedtool.core.types import Progress, Vectors
from embedtool.errors import UsageError
from embedtool.search.centre import Centre, directions

REPEATS = 10  # random draws of the training images
TEST_IMAGES = 5_000  # per draw at most: enough to know an accuracy to half a percentage point


@dataclass(frozen=True)
class FewShot:
    """The mean accuracy with `shots` labelled images per class on `test_images` others, with its
    confidence interval over `repeats` draws, and the same for the k-NN baseline."""

    shots: int
    repeats: int
    accuracy: Estimate
    knn_accuracy: Estimate
    test_images: int


def few_shot(
    rows: Vectors,
    labels: Labels,
    groups: Numbers,
    classes: int,
    shots: int,
    *,
    centre: Centre,
    repeats: int = REPEATS,
    seed: int = 0,
    progress: Progress | None = None,
) -> FewShot:
    """Train on `shots` images of each class, at most one from a group, and test on images of other
    groups. C is chosen by cross-validation on the training images.

    centre: what the similarities of the k-NN baseline are measured from.
    Raises UsageError if a class is too small.
    """
    if shots < 2:
        raise UsageError(
            f"expected shots of at least 2 images per class, for cross-validation, received {shots}"
        )
    random = np.random.default_rng(seed)
    towards = directions(rows, centre)
    accuracies, knn_accuracies, test_images = [], [], 0
    for repeat in range(repeats):
        mixed = random.permutation(len(rows))
        _, firsts = np.unique(groups[mixed], return_index=True)
        heads = mixed[np.sort(firsts)]  # one image per group, in random order
        drawn = [heads[labels[heads] == c][:shots] for c in range(classes)]
        for chosen in drawn:
            if len(chosen) < shots:
                raise UsageError(
                    f"expected {shots} different pictures per class, but a class has only "
                    f"{len(chosen)}: lower --shots"
                )
        training = np.concatenate(drawn)
        test = mixed[~np.isin(groups[mixed], groups[training])][:TEST_IMAGES]
        if not test.size:
            raise UsageError(
                f"expected other images to test on, but {shots} images per class leave none: lower "
                "--shots"
            )
        shot_rows, shot_labels = rows[training], labels[training]
        folds = assign_folds(shot_labels, np.arange(len(training)), min(FOLDS, shots), seed=seed)
        strength = cross_validate(shot_rows, shot_labels, folds, classes).best.strength
        classifier = fit_all(shot_rows, shot_labels, classes, strength=strength)
        predicted = classifier.probabilities(rows[test]).argmax(1)
        by_knn = predict_knn(towards[training], shot_labels, towards[test], classes, k=shots)
        accuracies.append(float((predicted == labels[test]).mean()))
        knn_accuracies.append(float((by_knn.argmax(1) == labels[test]).mean()))
        test_images = len(test)
        if progress:
            progress(repeat + 1, repeats, stage=f"{shots} shots")
    return FewShot(
        shots,
        repeats,
        bootstrap_mean(np.array(accuracies)),
        bootstrap_mean(np.array(knn_accuracies)),
        test_images,
    )
