"""How good a trained network is, beside a linear probe on the frozen one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.classification.logistic_regression import Solution
from embedtool.classification.metrics import (
    Estimate,
    Evaluation,
    evaluate,
    most_confident_mistakes,
    paired_difference,
)
from embedtool.classification.mistakes import Mistake
from embedtool.classification.probe import Probe
from embedtool.core.paths import full_path
from embedtool.core.types import Reject
from embedtool.finetune.dataset import Dataset, PhotoSet
from embedtool.models import Backbone
from embedtool.models.embed_files import embed_files
from embedtool.models.embedder import Embedder, NetworkEmbedder


@dataclass(frozen=True)
class TestResult:
    """What two classifiers make of the same photos, none of which either has learned from."""

    paths: tuple[Path, ...]
    truth: npt.NDArray[np.int64]  # (n,) numbers of the evaluation's classes
    probabilities: npt.NDArray[np.float32]  # (n, c) of the trained network
    evaluation: Evaluation
    probe: Evaluation  # of the probe on frozen vectors
    gain: Estimate  # in accuracy over the probe, paired

    def mistakes(self) -> list[Mistake]:
        """The photos given another class than their own, the most confident first."""
        predicted = self.probabilities.argmax(1)
        sure = self.probabilities.max(1)
        names = self.evaluation.classes
        return [
            Mistake(self.paths[n], names[self.truth[n]], names[predicted[n]], float(sure[n]))
            for n in most_confident_mistakes(self.truth, self.probabilities)
        ]

    def record(self) -> dict[str, Any]:
        """The evaluation's own record, with the probe's and the gain beside it."""
        return {
            **self.evaluation.record(),
            "probe": self.probe.record(),
            "gain": self.gain.value,
            "gain_ci95": [self.gain.low, self.gain.high],
        }


def evaluate_on_test(
    album: Dataset, tuned: Backbone, head: Probe, frozen: Solution, *, seed: int
) -> tuple[TestResult | None, tuple[Reject, ...]]:
    """Embed photos with the trained network as an index would, and judge what its head says.

    They are the test photos, else those held out to validate on; None where there are neither.
    Those that were changed or removed while it was trained are rejects: it is not lost for them.
    frozen: a probe of the frozen network, whose vectors the album has.
    """
    photos = album.test if album.test.photos else album.validation
    found = _embed(photos, NetworkEmbedder(tuned))
    there = np.array([photo.digest in found for photo in photos.photos], np.bool_)
    changed = tuple(
        Reject(full_path(p.source.root, p.source.path), "read", "changed or removed meanwhile")
        for p in photos.part(~there).photos
    )
    photos = photos.part(there)
    if not photos.photos:
        return None, changed
    truth = photos.labels
    shares = head.probabilities(np.stack([found[photo.digest] for photo in photos.photos]))
    before = frozen.probabilities(photos.vectors)
    judgement = TestResult(
        paths=tuple(full_path(p.source.root, p.source.path) for p in photos.photos),
        truth=truth,
        probabilities=shares,
        evaluation=evaluate(truth, shares, album.classes, seed=seed),
        probe=evaluate(truth, before, album.classes, seed=seed),
        gain=paired_difference(before.argmax(1) == truth, shares.argmax(1) == truth, seed=seed),
    )
    return judgement, changed


def _embed(photos: PhotoSet, embedder: Embedder) -> dict[bytes, npt.NDArray[np.float32]]:
    """The unit row (d,) of each content that is still there."""
    return {
        outcome.digest: outcome.vector
        for outcome in embed_files([p.source for p in photos.photos], embedder, known=set())
        if outcome.vector is not None
    }
