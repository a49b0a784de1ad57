"""Compare two models on the same labelled images, given as arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.classification.cluster_agreement import Agreement
from embedtool.classification.cross_validation import cross_validate
from embedtool.classification.intervals import (
    Estimate,
    accuracy_interval,
    mean_interval,
    paired_difference,
)
from embedtool.classification.knn import cross_validate_knn
from embedtool.classification.ranking_metrics import QUERY_BLOCK, retrieve
from embedtool.classification.splits import Numbers
from embedtool.core.types import Progress, Vectors
from embedtool.search.centre import Centre, directions

QUERIES = 2_000  # images used as queries: enough to know a mean to one percentage point
K = 10
MAX_MOVED = 24  # images to report, those that changed most


@dataclass(frozen=True)
class Measure:
    """One score of both models, and its change from the first to the second, paired by image."""

    name: str
    first: Estimate
    second: Estimate
    change: Estimate


@dataclass(frozen=True)
class ClassChange:
    """The recall of one class under the probe of each model."""

    name: str
    images: int
    first: float
    second: float


@dataclass(frozen=True)
class Moved:
    """An image whose position among the others differs between the models. moved: 1 minus the
    correlation of its similarities to all others under the two models; first, second: its nearest
    image under each."""

    path: Path
    label: str
    moved: float
    first: Path
    second: Path


@dataclass(frozen=True)
class Comparison:
    """A comparison of two models on the same images. overlap: the share of an image's 10 nearest
    under one model that are among its 10 nearest under the other. agreement: of the clusters of
    both, with noise points in their nearest cluster; None if an index has no clusters."""

    indexes: tuple[Path, Path]
    models: tuple[str, str]
    images: int
    classes: tuple[str, ...]
    measures: tuple[Measure, ...]
    overlap: Estimate
    agreement: Agreement | None
    per_class: tuple[ClassChange, ...]
    moved: tuple[Moved, ...]
    strengths: tuple[float, float]
    queries: int
    seed: int
    notes: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """Return the comparison as a dictionary for JSON."""
        return {
            "indexes": [str(index) for index in self.indexes],
            "models": list(self.models),
            "images": self.images,
            "classes": list(self.classes),
            "measures": [
                {
                    "name": one.name,
                    "values": [one.first.value, one.second.value],
                    "ci95": [one.first.ends, one.second.ends],
                    **one.change.record("change"),
                }
                for one in self.measures
            ],
            **self.overlap.record("overlap"),
            "clusters": self.agreement and self.agreement.record(),
            "per_class": [
                {"class": one.name, "images": one.images, "recalls": [one.first, one.second]}
                for one in self.per_class
            ],
            "moved": [
                {
                    "path": str(one.path),
                    "label": one.label,
                    "moved": one.moved,
                    "nearest": [str(one.first), str(one.second)],
                }
                for one in self.moved
            ],
            "strengths": list(self.strengths),
            "queries": self.queries,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Differences:
    """The result of `compare_vectors`, with images given by number."""

    measures: tuple[Measure, ...]
    overlap: Estimate
    recalls: npt.NDArray[np.float64]  # (2, c)
    moved: Numbers
    distances: npt.NDArray[np.float64]  # how far each of `moved` moved
    nearest: Numbers  # (2, moved)
    strengths: tuple[float, float]
    queries: int


def compare_vectors(
    first: Vectors,
    second: Vectors,
    labels: Numbers,
    folds: Numbers,
    classes: int,
    *,
    centres: tuple[Centre, Centre],
    seed: int = 0,
    progress: Progress | None = None,
) -> Differences:
    """Compare unit rows (n, d) and (n, e) of the same images, which have the classes labels (n,).

    centres: (d,) and (e,), what the similarities of each model are measured from.

    The probe and the k-NN baseline are scored on the same folds (n,), and the rankings on the same
    images, at most QUERIES. No score uses the images of fold -1.
    """
    scored = np.flatnonzero(folds >= 0)
    truth = labels[scored]
    queries = np.sort(np.random.default_rng(seed).permutation(scored)[:QUERIES])
    both = (first, second)
    probes = [
        cross_validate(rows, labels, folds, classes, progress=progress, stage=f"probe of {name}")
        for rows, name in zip(both, ("A", "B"), strict=True)
    ]
    found = [one.probabilities[scored].argmax(1) for one in probes]
    towards = [directions(rows, centre) for rows, centre in zip(both, centres, strict=True)]
    voted = [cross_validate_knn(rows, labels, folds, classes)[scored].argmax(1) for rows in towards]
    ranked = [retrieve(rows, labels, queries, k=K, progress=progress) for rows in towards]
    ranked_at_all = ~np.isnan(ranked[0].average_precision)
    values: dict[str, tuple[Callable[[npt.ArrayLike], Estimate], list[npt.NDArray[Any]]]] = {
        "probe accuracy": (accuracy_interval, [one == truth for one in found]),
        "k-NN accuracy": (accuracy_interval, [one == truth for one in voted]),
        f"precision@{K}": (mean_interval, [one.precision for one in ranked]),
        "mAP": (mean_interval, [one.average_precision[ranked_at_all] for one in ranked]),
    }
    measures = tuple(
        Measure(name, interval(one), interval(other), paired_difference(one, other))
        for name, (interval, (one, other)) in values.items()
        if len(one)
    )
    near = [one.nearest for one in ranked]
    k = min(K, len(labels) - 1)
    shared = [np.intersect1d(a[:k], b[:k]).size / k for a, b in zip(*near, strict=True)]
    distances = _distances(towards[0], towards[1], queries)
    most = np.argsort(-distances, kind="stable")[:MAX_MOVED]
    sizes = np.bincount(truth, minlength=classes)
    hits = [np.bincount(truth[one == truth], minlength=classes) for one in found]
    return Differences(
        measures=measures,
        overlap=mean_interval(shared),
        recalls=np.array(hits) / np.maximum(sizes, 1),
        moved=queries[most],
        distances=distances[most],
        nearest=np.array([one[most, 0] for one in near]),
        strengths=(probes[0].best.strength, probes[1].best.strength),
        queries=len(queries),
    )


def _distances(first: Vectors, second: Vectors, queries: Numbers) -> npt.NDArray[np.float64]:
    """Return 1 minus the correlation of the similarities (m, n) under both models, per query."""
    found = []
    for start in range(0, len(queries), QUERY_BLOCK):
        part = queries[start : start + QUERY_BLOCK]
        sides = []
        for rows in (first, second):
            near = rows[part] @ rows.T
            near[np.arange(len(part)), part] = 0  # its own similarity is always 1
            near -= near.mean(1, keepdims=True)
            sides.append(near / np.linalg.norm(near, axis=1, keepdims=True))
        found.append(1 - np.einsum("mn,mn->m", *sides, dtype=np.float64))
    return np.concatenate(found)
