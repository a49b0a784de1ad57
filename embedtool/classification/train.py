"""`train_probe`: from an index and labels to a probe, with a score that no near-copy inflates."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embedtool.classification.cross_validation import PARTS, Trial, class_counts, cross_validate
from embedtool.classification.few_shot import FewShot, few_shot
from embedtool.classification.knn import cross_validate_knn
from embedtool.classification.labels import UNLABELLED, Labelled, LabelReport, read_labels
from embedtool.classification.logistic_regression import Axes, fit
from embedtool.classification.metrics import Estimate, Evaluation, evaluate, mean_with_interval
from embedtool.classification.near_copies import near_duplicate_groups
from embedtool.classification.probe import Probe, write_probe
from embedtool.classification.splits import Numbers, assign_folds
from embedtool.core.types import PathLike, Progress, Vectors
from embedtool.errors import UsageError
from embedtool.store.reader import IndexReader

# Images that choose C and give the score; 100,000 would take ten times as long. The score is then
# of probes that learned from 8,000 of them, and the one that learned from all is better.
JUDGED = 10_000


@dataclass(frozen=True)
class ProbeReport:
    """What a training did. The scores are of images that the probe judging them had not seen:
    `evaluation` with all images that are alike in one part, `careless` with every image dealt by
    itself, which is how scores are inflated, `neighbours` of the k-NN baseline, with care."""

    probe: Path
    index: Path
    model: str
    labels: LabelReport
    trials: tuple[Trial, ...]
    strength: float
    evaluation: Evaluation
    careless: Estimate
    alike: int  # images that are alike to another, or the same
    untold: tuple[str, ...]  # classes in which copies cannot be told from other images
    neighbours: Estimate
    few_shot: FewShot | None
    seed: int
    seconds: float
    notes: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """As JSON has it, `probe.json` too."""
        shots = self.few_shot
        return {
            "probe": str(self.probe),
            "index": str(self.index),
            "model": self.model,
            "labels": self.labels.record(),
            "cross_validation": [asdict(trial) for trial in self.trials],
            "strength": self.strength,
            "score": self.evaluation.record(),
            "score_without_care": _told("accuracy", self.careless),
            "alike": self.alike,
            "untold_classes": list(self.untold),
            "neighbours": _told("accuracy", self.neighbours),
            "few_shot": shots
            and {
                "shots": shots.shots,
                "repeats": shots.repeats,
                "judged": shots.judged,
                **_told("accuracy", shots.accuracy),
                **_told("neighbours_accuracy", shots.neighbours),
            },
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
        }


def train_probe(
    index: PathLike,
    out: PathLike,
    *,
    labels: PathLike | None = None,
    shots: int | None = None,
    balanced: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> ProbeReport:
    """Train a linear classifier on the labelled images of an index, and write it to a folder.

    labels: a table of path and label; else the names of the folders are the classes. C is chosen by
    5-fold cross-validation, which gives the score too: of each image as a probe that has seen
    neither it nor one alike predicts it. Being the best of several strengths it is high by some
    thousandths. Then the probe is trained on all. shots: also tell what so many images a class
    would be good for. balanced: classes weigh the same, however many images each has. Copies of one
    content are one image to it.
    Memory: the vectors of the labelled images as float32, 512 MB for 100,000 of 1,280 dimensions,
    and as much again as they are read: 1.2 GB in all.
    Raises UsageError (fewer than two classes, a class of one picture, labels that match nothing).
    """
    begun = time.monotonic()
    lesson = _read_lesson(index, labels)
    classes = len(lesson.labelled.classes)
    judged = _judged(lesson.own, seed)
    rows, own = lesson.rows[judged], lesson.own[judged]
    similar = near_duplicate_groups(rows, own, progress=progress)
    groups = similar.groups
    _check_classes(lesson, groups)
    parts = assign_folds(own, groups, _parts(own, groups), seed=seed)
    chosen = cross_validate(rows, own, parts, classes, balanced=balanced, progress=progress)
    right = chosen.probabilities.argmax(1) == own
    strength = chosen.chosen.strength
    images = lesson.images(judged)
    alike = int((np.bincount(groups[images])[groups[images]] > 1).sum())
    if alike:  # else both ways of dealing are one
        dealt = assign_folds(own[images], np.arange(len(images)), int(parts.max()) + 1, seed=seed)
        inflated = cross_validate(
            rows[images],
            own[images],
            dealt,
            classes,
            strengths=[strength],
            balanced=balanced,
            progress=progress,
            stage="scoring without care",
        )
        right = inflated.probabilities.argmax(1) == own[images]
    by_neighbours = cross_validate_knn(rows, own, parts, classes)
    few = None
    if shots is not None:
        few = few_shot(rows, own, groups, classes, shots, seed=seed, progress=progress)
    solution = fit(
        lesson.rows,
        lesson.own,
        class_counts(lesson.own, classes, balanced=balanced),
        classes,
        strength=strength,
        axes=Axes(lesson.rows),
        parts=[slice(0, len(lesson.rows))],
        start=chosen.mean,
        progress=progress,
    ).at(chosen.temperature)
    report = ProbeReport(
        probe=Path(out),
        index=lesson.index,
        model=lesson.model,
        labels=lesson.labelled.report,
        trials=chosen.trials,
        strength=strength,
        evaluation=evaluate(own, chosen.probabilities, lesson.labelled.classes, seed=seed),
        careless=mean_with_interval(right, seed=seed),
        alike=alike,
        untold=tuple(lesson.labelled.classes[c] for c in similar.untold),
        notes=(
            *lesson.labelled.report.notes(),
            *similar.notes(lesson.labelled.classes),
            *filter(None, [chosen.note]),
        ),
        neighbours=mean_with_interval(by_neighbours.argmax(1) == own, seed=seed),
        few_shot=few,
        seed=seed,
        seconds=time.monotonic() - begun,
    )
    digests = b"".join(lesson.labelled.digests[content] for content in lesson.known.tolist())
    probe = Probe(
        classes=lesson.labelled.classes,
        model=lesson.model,
        fingerprint=lesson.fingerprint,
        strength=strength,
        temperature=chosen.temperature,
        balanced=balanced,
        seed=seed,
        report=report.record(),
        solution=solution,
        trained=np.frombuffer(digests, np.uint8).reshape(len(lesson.rows), -1),
    )
    write_probe(probe, out)
    return report


@dataclass(frozen=True)
class _Lesson:
    """The labelled contents of an index: which they are among all, their unit rows (n, d), and
    classes (n,)."""

    labelled: Labelled
    known: Numbers
    rows: Vectors
    own: Numbers
    index: Path
    model: str
    fingerprint: str

    def images(self, chosen: Numbers) -> Numbers:
        """Which of the chosen contents each image file has that holds one of them."""
        place = np.full(len(self.labelled.vectors), -1)
        place[self.known[chosen]] = np.arange(len(chosen))
        held: Numbers = place[self.labelled.contents]
        return held[held >= 0]


def _read_lesson(index: PathLike, labels: PathLike | None) -> _Lesson:
    with IndexReader(index) as opened, opened.snapshot():
        labelled = read_labels(opened, labels)
        classes = labelled.report.classes
        if len(classes) < 2:
            found = "".join(f": {name!r}, {count:,} images" for name, count in classes.items())
            raise UsageError(
                f"expected images of two classes or more, found {len(classes)}{found}. Classes are "
                "the names of the folders, or what --labels FILE says (path,label)"
            )
        known = np.flatnonzero(labelled.labels != UNLABELLED)
        rows = opened.rows_at(opened.places(labelled.vectors[known].tolist()))
        own = labelled.labels[known]
        return _Lesson(labelled, known, rows, own, opened.path, opened.model, opened.fingerprint)


def _check_classes(lesson: _Lesson, groups: Numbers) -> None:
    """Raise UsageError where a class has one picture, near-copies aside where all were looked at;
    groups are of the images that judge."""
    whole = len(groups) == len(lesson.own)
    for number, (name, count) in enumerate(lesson.labelled.report.classes.items()):
        here = np.flatnonzero(lesson.own == number)
        if (np.unique(groups[here]).size if whole else len(here)) < 2:
            copies = f" and {count - 1} copies of it" if count > 1 else ""
            raise UsageError(
                f"class {name!r} has one picture{copies}: expected two or more of each class. "
                "Index more of it, or leave it out with --labels FILE (path,label)"
            )


def _parts(own: Numbers, groups: Numbers) -> int:
    """PARTS, or as many as the largest class fills."""
    most = max(np.unique(groups[own == c]).size for c in np.unique(own))
    return min(PARTS, most)


def _judged(own: Numbers, seed: int) -> Numbers:
    """All contents, or of very many a share that has its share of each class."""
    shares = -(-len(own) // JUDGED)
    if shares == 1:
        return np.arange(len(own))
    return np.flatnonzero(assign_folds(own, np.arange(len(own)), shares, seed=seed) == 0)


def _told(name: str, score: Estimate) -> dict[str, Any]:
    return {name: score.value, f"{name}_ci95": [score.low, score.high]}
