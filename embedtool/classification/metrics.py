"""Score predictions, given as arrays. Each score has a 95 % confidence interval."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from embedtool.classification.bootstrap import RESAMPLES, resample_weights, score_interval
from embedtool.classification.intervals import (
    Estimate,
    Values,
    accuracy_interval,
    interval_text,
    share_interval,
)
from embedtool.classification.splits import Numbers
from embedtool.errors import EmbedtoolError

TOP_K = 5
BINS = 15  # of equal width, as in Guo et al.
SUM_TOLERANCE = 1e-3  # for a row of probabilities: rounding of float32 over thousands of classes


@dataclass(frozen=True)
class ClassScore:
    """The scores of one class. support: images of the class; predicted: images predicted as it.

    Each score has its 95 % interval (low, high), or None for fewer than 10 images."""

    name: str
    support: int
    predicted: int
    precision: float
    recall: float
    f1: float
    precision_ci95: tuple[float, float] | None
    recall_ci95: tuple[float, float] | None
    f1_ci95: tuple[float, float] | None

    def f1_interval(self, form: str = ".4f") -> str:
        """Return the interval of F1 as text, each end in a format of `format`."""
        return interval_text(self.f1_ci95, form)


@dataclass(frozen=True)
class ReliabilityBin:
    """The images with a confidence in (low, high]. Both means are 0 if there are none."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate`. confusion[i][j] images of class i were predicted as class j."""

    n: int
    classes: tuple[str, ...]
    accuracy: Estimate
    balanced_accuracy: Estimate
    macro_precision: Estimate
    macro_recall: Estimate
    macro_f1: Estimate
    top5_accuracy: Estimate | None  # None with 5 classes or fewer: it would be 1
    ece: Estimate
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    reliability: tuple[ReliabilityBin, ...]
    resamples: int
    seed: int

    def headlines(self) -> dict[str, Estimate]:
        """Return every score that is one number, by name."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in named if isinstance(value, Estimate)}

    def record(self) -> dict[str, Any]:
        """Return a dictionary for JSON: each score as a number, and its interval as NAME_ci95."""
        record: dict[str, Any] = {"n": self.n, "classes": list(self.classes)}
        for name, score in self.headlines().items():
            record |= score.record(name)
        record["per_class"] = [
            {"class": one.pop("name"), **one} for one in map(asdict, self.per_class)
        ]
        record["confusion"] = [list(row) for row in self.confusion]
        record["reliability"] = [asdict(one) for one in self.reliability]
        return {**record, "resamples": self.resamples, "seed": self.seed}


def evaluate(
    truth: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    classes: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Evaluation:
    """Score predicted probabilities (n, c) against true classes (n,), each 0 to c - 1.

    The intervals of the accuracies, and of each class's precision and recall, are exact. Those of
    the other scores are by the bootstrap over images, and not narrower than that of the accuracy.
    The predicted class is the one with the highest probability, or the first of equal ones. Each
    score agrees with scikit-learn's score of the same name:
    accuracy; top5_accuracy, the share whose class is among the 5 highest;
    balanced_accuracy, the mean recall of the classes that occur in truth;
    macro_precision, macro_recall, macro_f1: means over the classes that occur in truth or among the
    predictions. A quotient with denominator 0 is 0: the precision of a class that was never
    predicted, and the recall of one that does not occur.
    ece, the expected calibration error: the gap between accuracy and mean confidence in each of 15
    bins of the highest probability, weighted by the images in it (Guo et al. 2017, On Calibration
    of Modern Neural Networks, equation 3). Resampling widens the gaps, so for a well calibrated
    classifier the interval lies above the value.
    Raises EmbedtoolError if the shapes of the arrays do not match or a row is not probabilities.
    """
    names = tuple(classes)
    true = np.asarray(truth, np.int64)
    given = np.asarray(probabilities, np.float64)
    _check(true, given, len(names))
    c = len(names)
    predicted = given.argmax(1)
    own = given[np.arange(len(true)), true][:, None]
    before = (given > own) | ((given == own) & (np.arange(c) < true[:, None]))
    confidence = given.max(1)
    images = _Images(
        true=true,
        predicted=predicted,
        right=(predicted == true).astype(np.float64),
        top=(before.sum(1) < TOP_K).astype(np.float64),
        confidence=confidence,
        bins=np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence),
    )
    whole = images.tally(np.ones(len(true)), c)
    scores = _headlines(whole)
    drawn = [images.tally(weights, c) for weights in resample_weights(len(true), resamples, seed)]
    resampled = _Tally(*map(np.array, zip(*drawn, strict=True)))
    spread = _headlines(resampled)
    accuracy = accuracy_interval(images.right)
    estimates = {
        name: score_interval(float(scores[name]), spread[name], accuracy) for name in scores
    }
    f1, spread_f1 = _f1(whole), _f1(resampled)
    confusion = np.zeros((c, c), np.int64)
    np.add.at(confusion, (true, predicted), 1)
    return Evaluation(
        n=len(true),
        classes=names,
        accuracy=accuracy,
        top5_accuracy=accuracy_interval(images.top) if c > TOP_K else None,
        **estimates,
        per_class=tuple(
            _class_score(name, *counts, f1=float(f1[k]), spread=spread_f1[:, k])
            for k, (name, *counts) in enumerate(
                zip(names, whole.support, whole.predicted, whole.hits, strict=True)
            )
        ),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        reliability=images.reliability(),
        resamples=resamples,
        seed=seed,
    )


class _Tally(NamedTuple):
    """Sums over the images of one resample. For r resamples, each field has a first axis of r."""

    n: Values  # ()
    support: Values  # (c,)
    predicted: Values  # (c,)
    hits: Values  # (c,)
    gaps: Values  # (BINS,) right minus confidence


@dataclass(frozen=True)
class _Images:
    """The values of n images, all (n,)."""

    true: Numbers
    predicted: Numbers
    right: Values
    top: Values
    confidence: Values
    bins: Numbers

    def tally(self, weights: Values, c: int) -> _Tally:
        """Return the sums, with each image counted weights (n,) times."""
        return _Tally(
            n=weights.sum(),
            support=_sums(self.true, weights, c),
            predicted=_sums(self.predicted, weights, c),
            hits=_sums(self.true, weights * self.right, c),
            gaps=_sums(self.bins, weights * (self.right - self.confidence), BINS),
        )

    def reliability(self) -> tuple[ReliabilityBin, ...]:
        edges = np.linspace(0, 1, BINS + 1)
        n = np.bincount(self.bins, minlength=BINS)
        confidence = _quotient(_sums(self.bins, self.confidence, BINS), n)
        accuracy = _quotient(_sums(self.bins, self.right, BINS), n)
        columns = (edges[:-1].tolist(), edges[1:].tolist(), n.tolist(), confidence, accuracy)
        return tuple(
            ReliabilityBin(low, high, count, float(mean), float(share))
            for low, high, count, mean, share in zip(*columns, strict=True)
        )


def _headlines(tally: _Tally) -> dict[str, Values]:
    """Return the scores over classes and the calibration error: () for a tally of one resample,
    (r,) for one of r."""
    n, support, predicted, hits = tally.n, tally.support, tally.predicted, tally.hits
    recall = _quotient(hits, support)
    seen = (support + predicted > 0).sum(-1)
    return {
        "balanced_accuracy": recall.sum(-1) / (support > 0).sum(-1),
        "macro_precision": _quotient(hits, predicted).sum(-1) / seen,
        "macro_recall": recall.sum(-1) / seen,
        "macro_f1": _f1(tally).sum(-1) / seen,
        "ece": np.abs(tally.gaps).sum(-1) / n,
    }


def _f1(tally: _Tally) -> Values:
    """Return F1 of each class: (c,) for a tally of one resample, (r, c) for one of r."""
    return _quotient(2 * tally.hits, tally.support + tally.predicted)


def _class_score(
    name: str, support: float, predicted: float, hits: float, *, f1: float, spread: Values
) -> ClassScore:
    """Return the scores of a class, given its counts, and its F1, also in the resamples (r,)."""
    precision = share_interval(float(hits), int(predicted))
    recall = share_interval(float(hits), int(support))
    return ClassScore(
        name,
        int(support),
        int(predicted),
        precision.value,
        recall.value,
        f1,
        precision.ends,
        recall.ends,
        score_interval(f1, spread, recall).ends,
    )


def _sums(groups: Numbers, values: Values, count: int) -> Values:
    """Return the sum of the values of each group."""
    return np.bincount(groups, values, count).astype(np.float64)


def _quotient(above: npt.NDArray[Any], below: npt.NDArray[Any]) -> Values:
    """Return the quotient, or 0 if the denominator is 0."""
    quotient = np.zeros(above.shape)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient


def _check(true: Numbers, given: Values, c: int) -> None:
    if c < 2 or given.ndim != 2 or not len(given) or given.shape != (len(true), c):
        raise EmbedtoolError(
            f"expected probabilities of at least two classes for each image, received shape "
            f"{given.shape} for {true.shape[0]} images and {c} classes"
        )
    if true.min() < 0 or true.max() >= c:
        wrong = true.max() if true.max() >= c else true.min()
        raise EmbedtoolError(f"expected classes from 0 to {c - 1}, received {wrong}")
    if not (np.isfinite(given).all() and given.min() >= 0):
        raise EmbedtoolError("expected probabilities from 0 to 1, received a negative one or NaN")
    sums = given.sum(1)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > SUM_TOLERANCE:
        raise EmbedtoolError(
            f"expected probabilities that sum to 1, but those of image {worst} sum to "
            f"{sums[worst]:.4f}"
        )
