"""`predict_images` and `evaluate_probe`: what a probe makes of the images of an index."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.errors import UsageError
from embedtool.labelling import Labelled, LabelReport, read_labels
from embedtool.metrics import Evaluation, evaluate, surest_mistakes
from embedtool.probe import Probabilities, suggest
from embedtool.probefile import Probe, read_probe
from embedtool.store import Index
from embedtool.tabular import write_table
from embedtool.types import Mistake, PathLike, Progress

CANDIDATES = 4_000  # for a label next, a random share where there are more: 64 MB of similarities
MISTAKES = 60  # kept for the page, the most confident ones


@dataclass(frozen=True)
class Prediction:
    """One image. label is None where the probability of the likeliest class is below what was
    asked for: the probe abstains."""

    path: Path
    label: str | None
    likeliest: str
    probability: float
    margin: float  # to the second


@dataclass(frozen=True)
class Predictions:
    """Every image of an index, first indexed first. probabilities (n, c); suggested: the images
    most worth a label next, of those that were not learned from."""

    classes: tuple[str, ...]
    images: tuple[Prediction, ...]
    probabilities: Probabilities
    abstained: int
    suggested: tuple[Path, ...]

    def record(self) -> dict[str, Any]:
        rows = zip(self.images, self.probabilities.tolist(), strict=True)
        return {
            "classes": list(self.classes),
            "predictions": [
                {
                    "path": str(one.path),
                    "label": one.label,
                    "likeliest": one.likeliest,
                    "probability": one.probability,
                    "margin": one.margin,
                    "probabilities": row,
                }
                for one, row in rows
            ],
            "abstained": self.abstained,
            "suggested": [str(path) for path in self.suggested],
        }


def predict_images(
    index: PathLike,
    probe: PathLike,
    *,
    abstain_below: float = 0.0,
    suggest_count: int = 0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Predictions:
    """The class of every image of an index, with the probability of each class.

    abstain_below: a probability below which an image gets no label. suggest_count: how many images
    to suggest for labelling next, see `embedtool.probe.suggest`; copies are suggested once, and of
    very many images a random share is looked at.
    Raises ModelMismatch where the index holds vectors of another model than the probe was made for,
    UsageError where a number cannot be meant.
    """
    if not 0 <= abstain_below <= 1:
        raise UsageError(f"expected a probability from 0 to 1, received {abstain_below}")
    if suggest_count < 0:
        raise UsageError(f"expected a number of images to suggest, received {suggest_count}")
    read = read_probe(probe)
    with Index(index) as opened, opened.snapshot():
        read.check(opened.fingerprint, index)
        labelled = read_labels(opened)
        by_content = read.ask(opened, labelled.vectors, progress)
        suggested: list[Path] = []
        if suggest_count:
            new = np.flatnonzero(~read.knows(labelled.digests))
            new = np.sort(np.random.default_rng(seed).permutation(new)[:CANDIDATES])
            rows = opened.rows_at(opened.places(labelled.vectors[new].tolist()))
            chosen = new[suggest(rows, by_content[new], suggest_count)]
            first = {c: n for n, c in reversed(list(enumerate(labelled.contents.tolist())))}
            suggested = [labelled.paths[first[content]] for content in chosen.tolist()]
    probabilities = by_content[labelled.contents]
    ordered = np.sort(probabilities, 1)
    likeliest, best = probabilities.argmax(1).tolist(), ordered[:, -1].tolist()
    margins = (ordered[:, -1] - ordered[:, -2]).tolist()
    images = tuple(
        Prediction(
            path, read.classes[own] if sure >= abstain_below else None, read.classes[own], sure, gap
        )
        for path, own, sure, gap in zip(labelled.paths, likeliest, best, margins, strict=True)
    )
    abstained = sum(one.label is None for one in images)
    return Predictions(read.classes, images, probabilities, abstained, tuple(suggested))


def write_predictions(predictions: Predictions, path: PathLike) -> None:
    """Write predictions as CSV, or Parquet where the name ends so: path, label (empty where the
    probe abstains), probability, margin, and the probability of each class as a column of its name,
    `p:NAME`. The first two columns serve as --labels once they are corrected."""
    write_table(
        path,
        ("path", "label", "probability", "margin", *(f"p:{c}" for c in predictions.classes)),
        (
            (str(one.path), one.label or "", one.probability, one.margin, *row)
            for one, row in zip(
                predictions.images, predictions.probabilities.round(6).tolist(), strict=True
            )
        ),
    )


@dataclass(frozen=True)
class ProbeEvaluation:
    """How well a probe does on the labelled images of an index, copies counted once. mistakes: the
    most confident first; seen: how many of the images it had learned from."""

    probe: Path
    index: Path
    model: str
    evaluation: Evaluation
    mistakes: tuple[Mistake, ...]
    labels: LabelReport
    seen: int
    unknown: dict[str, int]  # classes that the probe does not have: left out

    def record(self) -> dict[str, Any]:
        return {
            "probe": str(self.probe),
            "index": str(self.index),
            "model": self.model,
            **self.evaluation.record(),
            "seen": self.seen,
            "unknown_classes": self.unknown,
            "labels": self.labels.record(),
            "mistakes": [
                {
                    "path": str(one.path),
                    "truth": one.truth,
                    "predicted": one.predicted,
                    "probability": one.probability,
                }
                for one in self.mistakes
            ],
        }

    def notes(self) -> list[str]:
        notes = self.labels.notes()
        if self.seen:
            notes.append(
                f"{self.seen:,} of {self.evaluation.n:,} images were learned from: this score is "
                "not of new images, `probe train` has one that is"
            )
        if self.unknown:
            names = ", ".join(f"{name} ({count})" for name, count in self.unknown.items())
            notes.append(f"left out, for the probe has no such class: {names}")
        return notes


def evaluate_probe(
    index: PathLike,
    probe: PathLike,
    *,
    labels: PathLike | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ProbeEvaluation:
    """Compare a probe's predictions with the labels of an index, by folder or by a table.

    Raises ModelMismatch where the index holds vectors of another model, UsageError where no image
    has a class that the probe knows.
    """
    read = read_probe(probe)
    with Index(index) as opened, opened.snapshot():
        read.check(opened.fingerprint, index)
        labelled = read_labels(opened, labels)
        order = {name: number for number, name in enumerate(read.classes)}
        theirs = np.array([order.get(name, -1) for name in labelled.classes] + [-1], np.int64)
        truth = theirs[labelled.labels]  # the last stands for UNLABELLED
        known = np.flatnonzero(truth >= 0)
        if not known.size:
            raise UsageError(
                f"expected labels among the probe's classes ({', '.join(read.classes)}), found "
                f"{', '.join(labelled.classes[:5]) or 'none'}. Give others: --labels FILE"
            )
        probabilities = read.ask(opened, labelled.vectors[known], progress)
    classes = labelled.report.classes
    return ProbeEvaluation(
        probe=Path(probe),
        index=Path(index),
        model=read.model,
        evaluation=evaluate(truth[known], probabilities, read.classes, seed=seed),
        mistakes=_mistakes(labelled, read, known, truth[known], probabilities),
        labels=labelled.report,
        seen=int(read.knows(labelled.digests)[known].sum()),
        unknown={name: count for name, count in classes.items() if name not in order},
    )


def _mistakes(
    labelled: Labelled,
    probe: Probe,
    known: npt.NDArray[np.int64],
    truth: npt.NDArray[np.int64],
    probabilities: Probabilities,
) -> tuple[Mistake, ...]:
    predicted = probabilities.argmax(1)
    first = {c: n for n, c in reversed(list(enumerate(labelled.contents.tolist())))}
    return tuple(
        Mistake(
            path=labelled.paths[first[int(known[i])]],
            truth=probe.classes[truth[i]],
            predicted=probe.classes[predicted[i]],
            probability=float(probabilities[i, predicted[i]]),
        )
        for i in surest_mistakes(truth, probabilities)[:MISTAKES]
    )
