"""`train_probe`: train a probe on the labelled images of an index, and score it without leakage."""

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from embedtool.classification.cross_validation import Trial, cross_validate, fit_all, fold_count
from embedtool.classification.few_shot import FewShot, few_shot
from embedtool.classification.intervals import (
    Estimate,
    accuracy_interval,
    share_interval,
    widened,
)
from embedtool.classification.knn import cross_validate_knn
from embedtool.classification.labels import LabelReport, LabelTable
from embedtool.classification.learning_curve import CurvePoint, learning_curve
from embedtool.classification.metrics import Evaluation, evaluate
from embedtool.classification.probe import Probe, training_images, write_probe
from embedtool.classification.splits import assign_folds
from embedtool.classification.training_set import read_training_set, split_training_set
from embedtool.core.types import PathLike, Progress
from embedtool.search.centre import directions
from embedtool.store.reader import IndexReader

# Larger sets are sampled for cross-validation; 100,000 images would take ten times as long. The
# score is then of classifiers trained on 8,000 images. The probe, trained on all, is better.
MAX_CROSS_VALIDATED = 10_000
FILE_KEYS = {  # keys in probe.json that differ from those of record()
    "leaky_score": "score_without_care",
    "near_duplicates": "alike",
    "ungrouped_classes": "untold_classes",
    "knn_score": "neighbours",
    "test_images": "judged",
    "knn_accuracy": "neighbours_accuracy",
    "knn_accuracy_ci95": "neighbours_accuracy_ci95",
}


@dataclass(frozen=True)
class ProbeReport:
    """The result of training a probe. All scores are of images held out from training.

    `evaluation` is of classifiers that were trained on all folds but one, with near-duplicates in
    one fold. `learning_curve` has the accuracy of classifiers that were trained on all folds but
    two, on all but one, and the one to expect of the probe, which was trained on all images; the
    interval of the accuracy contains that of the last. `leaky_score` has near-duplicates in several
    folds, which inflates it. `knn_score` is that of the k-NN baseline.
    """

    probe: Path | None  # its folder
    index: Path
    model: str
    labels: LabelReport
    trials: tuple[Trial, ...]
    strength: float
    evaluation: Evaluation
    learning_curve: tuple[CurvePoint, ...]
    leaky_score: Estimate
    training_images: int  # labelled pictures that the network was trained on: no score uses them
    near_duplicates: int  # images that have a near-duplicate or a copy
    ungrouped_classes: tuple[str, ...]  # where near-duplicates cannot be identified
    knn_score: Estimate
    few_shot: FewShot | None
    seed: int
    seconds: float
    notes: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """Return the report as a dictionary that can be written as JSON."""
        few = self.few_shot
        return {
            "probe": self.probe and str(self.probe),
            "index": str(self.index),
            "model": self.model,
            "labels": self.labels.record(),
            "cross_validation": [asdict(trial) for trial in self.trials],
            "strength": self.strength,
            "score": self.evaluation.record(),
            "learning_curve": [asdict(point) for point in self.learning_curve],
            "leaky_score": self.leaky_score.record("accuracy"),
            "training_images": self.training_images,
            "near_duplicates": self.near_duplicates,
            "ungrouped_classes": list(self.ungrouped_classes),
            "knn_score": self.knn_score.record("accuracy"),
            "few_shot": few
            and {
                "shots": few.shots,
                "repeats": few.repeats,
                "test_images": few.test_images,
                **few.accuracy.record("accuracy"),
                **few.knn_accuracy.record("knn_accuracy"),
            },
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
        }

    def file_record(self) -> dict[str, Any]:
        """Return the record with the keys of probe.json, some of which have other names."""
        record = self.record()
        if few := record["few_shot"]:
            record["few_shot"] = {FILE_KEYS.get(key, key): value for key, value in few.items()}
        return {FILE_KEYS.get(key, key): value for key, value in record.items()}


def train_probe(
    index: IndexReader,
    out: PathLike | None = None,
    *,
    labels: LabelTable | None = None,
    shots: int | None = None,
    balanced: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Probe, ProbeReport]:
    """Train a linear classifier on the labelled images of an index.

    out: the folder to write it to. labels: a table of path and label, or a mapping; by default, the
    classes are the names of the folders. shots: also report the accuracy with this many labelled
    images per class. balanced: give all classes the same weight. Copies of one content count as one
    image.
    C is chosen by 5-fold cross-validation, which also gives the score: each image is predicted by a
    classifier that was trained neither on it nor on a near-duplicate. As the best of several
    values of C, the score is too high by some thousandths; as that of classifiers trained on 80 %
    of the images, it is too low, by much if there are few. Then the probe is trained on all images.
    Memory: the vectors of the labelled images as float32, 512 MB for 100,000 of 1,280 dimensions,
    and as much again while they are read: 1.2 GB in all.
    If the network was fine-tuned, the images that it was trained on are in every training fold and
    in no score.
    Raises UsageError (fewer than two classes, a class of one picture, labels that match nothing,
    too few images that the network was not trained on).
    """
    begun = time.monotonic()
    training = read_training_set(index, labels)
    names = training.labelled.classes
    split = split_training_set(training, MAX_CROSS_VALIDATED, seed=seed, progress=progress)
    scored, others, groups = split.scored, split.others, split.groups
    rows, truth = training.rows[scored], training.labels[scored]
    folds = assign_folds(truth, groups, fold_count(truth, groups), seed=seed)
    with_others = (
        np.concatenate([rows, training.rows[others]]) if others.size else rows,
        np.concatenate([truth, training.labels[others]]),
        np.concatenate([folds, np.full(len(others), -1)]),
        len(names),
    )
    validation = cross_validate(*with_others, balanced=balanced, progress=progress)
    probabilities = validation.probabilities[: len(scored)]
    leaky = probabilities.argmax(1) == truth
    strength = validation.best.strength
    evaluation = evaluate(truth, probabilities, names, seed=seed)
    curve = learning_curve(
        *with_others,
        validation=validation,
        images=training.count,
        balanced=balanced,
        progress=progress,
    )
    expected = share_interval(curve[-1].accuracy * len(scored), len(scored))
    evaluation = replace(evaluation, accuracy=widened(evaluation.accuracy, expected))
    images = training.images(scored)
    near_duplicates = int((np.bincount(groups[images])[groups[images]] > 1).sum())
    if near_duplicates:  # else both splits are the same
        dealt = assign_folds(truth[images], np.arange(len(images)), int(folds.max()) + 1, seed=seed)
        inflated = cross_validate(
            rows[images],
            truth[images],
            dealt,
            len(names),
            strengths=[strength],
            balanced=balanced,
            progress=progress,
            stage="leaky score",
        )
        leaky = inflated.probabilities.argmax(1) == truth[images]
    by_knn = cross_validate_knn(directions(rows, training.centre), truth, folds, len(names))
    few = None
    if shots is not None:
        few = few_shot(
            rows,
            truth,
            groups,
            len(names),
            shots,
            centre=training.centre,
            seed=seed,
            progress=progress,
        )
    classifier = fit_all(
        training.rows[: training.count],
        training.labels[: training.count],
        len(names),
        strength=strength,
        balanced=balanced,
        initial=validation.mean,
        progress=progress,
    )
    report = ProbeReport(
        probe=None if out is None else Path(out),
        index=training.index,
        model=training.model,
        labels=training.labelled.report,
        trials=validation.trials,
        strength=strength,
        evaluation=evaluation,
        learning_curve=curve,
        leaky_score=accuracy_interval(leaky),
        training_images=split.left_out,
        near_duplicates=near_duplicates,
        ungrouped_classes=split.ungrouped_classes,
        knn_score=accuracy_interval(by_knn.argmax(1) == truth),
        few_shot=few,
        seed=seed,
        seconds=time.monotonic() - begun,
        notes=(
            *training.labelled.report.notes(),
            *split.notes,
            *filter(None, [validation.note]),
        ),
    )
    probe = Probe(
        classes=names,
        model=training.model,
        fingerprint=training.fingerprint,
        strength=strength,
        temperature=validation.temperature,
        balanced=balanced,
        seed=seed,
        report=report.file_record(),
        classifier=classifier.with_temperature(validation.temperature),
        training_images=training_images(
            (
                training.labelled.digests[content]
                for content in training.contents[: training.count].tolist()
            ),
            training.fingerprint,
        ),
        folder=report.probe,
    )
    if out is not None:
        write_probe(probe, out)
    return probe, report
