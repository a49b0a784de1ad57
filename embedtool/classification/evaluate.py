"""`evaluate_probe`: score a probe on the labelled images of an index."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embedtool.classification.labels import LabelReport, LabelTable, read_labels
from embedtool.classification.metrics import Evaluation, evaluate
from embedtool.classification.mistakes import Mistake, most_confident_mistakes
from embedtool.classification.network_training import (
    network_training_images,
    new_images,
    unknown_training_notes,
)
from embedtool.classification.probe import Probe
from embedtool.core.types import Progress
from embedtool.errors import UsageError
from embedtool.store.reader import IndexReader

MAX_MISTAKES = 60  # mistakes on the page, the most confident ones


@dataclass(frozen=True)
class ProbeEvaluation:
    """The scores of a probe on the labelled images of an index, with copies counted once. mistakes:
    the most confident first; training_images: how many others there are that no score uses,
    because the probe or its network was trained on them or on a near-duplicate."""

    probe: Path | None  # its folder
    index: Path
    model: str
    evaluation: Evaluation
    mistakes: tuple[Mistake, ...]
    labels: LabelReport
    training_images: int
    unknown_classes: dict[str, int]  # classes not in the probe: their images, which were left out
    network_notes: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        return {
            "probe": self.probe and str(self.probe),
            "index": str(self.index),
            "model": self.model,
            **self.evaluation.record(),
            "training_images": self.training_images,
            "unknown_classes": self.unknown_classes,
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
        notes = [*self.labels.notes(), *self.network_notes]
        total = self.training_images + self.evaluation.n
        if self.training_images:
            notes.append(
                f"{self.training_images:,} of {total:,} images are not scored:"
                " the probe or its network was trained on them, or on near-duplicates of them"
            )
        if self.unknown_classes:
            names = ", ".join(f"{name} ({count})" for name, count in self.unknown_classes.items())
            notes.append(f"images of classes that the probe does not know were left out: {names}")
        return notes


def evaluate_probe(
    index: IndexReader,
    probe: Probe,
    *,
    labels: LabelTable | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ProbeEvaluation:
    """Compare the predictions of a probe with the labels of an index, from folders or from a table.

    Images are left out if the probe or the network was trained on them, or on a near-duplicate that
    is in the index too.
    Raises ModelMismatch if the index has vectors of another model, UsageError if no image has a
    class of the probe, or if all are left out.
    """
    with index.snapshot():
        probe.check_fingerprint(index.fingerprint, index.path)
        labelled = read_labels(index, labels)
        order = {name: number for number, name in enumerate(probe.classes)}
        theirs = np.array([order.get(name, -1) for name in labelled.classes] + [-1], np.int64)
        truth = theirs[labelled.labels]  # the last entry is for UNLABELLED
        known = np.flatnonzero(truth >= 0)
        if not known.size:
            raise UsageError(
                f"expected labels among the probe's classes ({', '.join(probe.classes)}), received "
                f"{', '.join(labelled.classes[:5]) or 'none'}. Name a table of labels: --labels "
                "FILE"
            )
        network = network_training_images(index)
        learned = network.flags(labelled.digests) | probe.training_images.flags(labelled.digests)
        total = len(known)
        if learned.any():
            compared = np.flatnonzero((truth >= 0) | learned)
            rows = index.rows_at(index.places(labelled.vectors[compared].tolist()))
        else:
            probabilities = probe.predict(index, labelled.vectors[known], progress)
    if learned.any():  # outside the snapshot, because a long read makes a writer wait
        new, _ = new_images(rows, truth[compared], learned[compared], progress=progress)
        known = compared[new]
        if not known.size:
            raise UsageError(
                f"expected images that neither the probe nor its network was trained on, but "
                f"{index.path} has none. `embedtool probe train` reports a score on held-out "
                "images; or index other photos and evaluate the probe on them: embedtool index "
                f"OTHER_PHOTOS --model {shlex.quote(index.model)} --index indexes/OTHER"
            )
        probabilities = probe.probabilities(rows[new])
    paths = labelled.content_paths()
    mistakes = most_confident_mistakes(
        [paths[content] for content in known.tolist()], truth[known], probabilities, probe.classes
    )
    classes = labelled.report.classes
    return ProbeEvaluation(
        probe=probe.folder,
        index=index.path,
        model=probe.model,
        evaluation=evaluate(truth[known], probabilities, probe.classes, seed=seed),
        mistakes=tuple(mistakes[:MAX_MISTAKES]),
        labels=labelled.report,
        training_images=total - len(known),
        network_notes=tuple(unknown_training_notes(network, index.path)),
        unknown_classes={name: count for name, count in classes.items() if name not in order},
    )
