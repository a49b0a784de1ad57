"""`evaluate_probe`: how well a probe does on the labelled images of an index."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.classification.labels import Labelled, LabelReport, read_labels
from embedtool.classification.metrics import Evaluation, evaluate, most_confident_mistakes
from embedtool.classification.mistakes import Mistake
from embedtool.classification.predict import MISTAKES
from embedtool.classification.probe import Probe, read_probe
from embedtool.classification.temperature import Probabilities
from embedtool.core.types import PathLike, Progress
from embedtool.errors import UsageError
from embedtool.store.reader import IndexReader


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
    with IndexReader(index) as opened, opened.snapshot():
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
        for i in most_confident_mistakes(truth, probabilities)[:MISTAKES]
    )
