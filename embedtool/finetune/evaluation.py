"""Evaluate a trained network, and compare it with a linear probe on the frozen one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.classification.intervals import Estimate, paired_difference
from embedtool.classification.logistic_regression import LinearClassifier
from embedtool.classification.metrics import Evaluation, evaluate
from embedtool.classification.mistakes import Mistake, most_confident_mistakes
from embedtool.classification.probe import Probe
from embedtool.core.paths import full_path
from embedtool.core.types import Reject
from embedtool.finetune.dataset import Dataset, PhotoSet
from embedtool.models import Backbone
from embedtool.models.embed_files import embed_files
from embedtool.models.embedder import Embedder, NetworkEmbedder


@dataclass(frozen=True)
class TestResult:
    """The scores of two classifiers on the same photos, on which neither was trained."""

    paths: tuple[Path, ...]
    truth: npt.NDArray[np.int64]  # (n,) numbers of the evaluation's classes
    probabilities: npt.NDArray[np.float32]  # (n, c) of the trained network
    evaluation: Evaluation
    probe: Evaluation  # of the probe on frozen vectors
    gain: Estimate  # accuracy minus that of the probe, paired by photo

    def mistakes(self) -> list[Mistake]:
        """Return the photos with a wrong prediction, the most confident first."""
        return most_confident_mistakes(
            self.paths, self.truth, self.probabilities, self.evaluation.classes
        )

    def record(self) -> dict[str, Any]:
        """Return the record of the evaluation, with that of the probe and the gain."""
        return {
            **self.evaluation.record(),
            "probe": self.probe.record(),
            **self.gain.record("gain"),
        }


def evaluate_on_test(
    dataset: Dataset, tuned: Backbone, head: Probe, frozen: LinearClassifier, *, seed: int
) -> tuple[TestResult | None, tuple[Reject, ...]]:
    """Embed photos with the trained network as an index would, and evaluate its head on them.

    The photos are the test photos, else the validation photos. The result is None if there are
    neither. Photos that were changed or removed during training become rejects, so that the trained
    model is not lost. frozen: a probe of the frozen network, whose vectors the dataset has.
    """
    photos = dataset.test if dataset.test.photos else dataset.validation
    vectors = _embed(photos, NetworkEmbedder(tuned))
    unchanged = np.array([photo.digest in vectors for photo in photos.photos], np.bool_)
    changed = tuple(
        Reject(
            full_path(p.source.root, p.source.path), "read", "changed or removed during training"
        )
        for p in photos.subset(~unchanged).photos
    )
    photos = photos.subset(unchanged)
    if not photos.photos:
        return None, changed
    truth = photos.labels
    by_head = head.probabilities(np.stack([vectors[photo.digest] for photo in photos.photos]))
    by_probe = frozen.probabilities(photos.vectors)
    test_result = TestResult(
        paths=tuple(full_path(p.source.root, p.source.path) for p in photos.photos),
        truth=truth,
        probabilities=by_head,
        evaluation=evaluate(truth, by_head, dataset.classes, seed=seed),
        probe=evaluate(truth, by_probe, dataset.classes, seed=seed),
        gain=paired_difference(by_probe.argmax(1) == truth, by_head.argmax(1) == truth),
    )
    return test_result, changed


def _embed(photos: PhotoSet, embedder: Embedder) -> dict[bytes, npt.NDArray[np.float32]]:
    """Return the unit row (d,) of each content that still exists."""
    return {
        outcome.digest: outcome.vector
        for outcome in embed_files([p.source for p in photos.photos], embedder, known=set())
        if outcome.vector is not None
    }
