"""Scores against scikit-learn's, and intervals against what is known of them."""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as theirs
from sklearn.calibration import calibration_curve

from embedtool.classification.intervals import accuracy_interval
from embedtool.classification.metrics import BINS, evaluate
from embedtool.errors import EmbedtoolError

CLASSES = ["coat", "dress", "hat"]


def predictions(seed: int, n: int, c: int, known: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth of the first `known` classes alone, and probabilities that are never those of one of
    the classes."""
    random = np.random.default_rng(seed)
    truth = random.integers(known, size=n)
    logits = random.normal(size=(n, c)) + 2 * np.eye(c)[truth]
    logits[:, random.integers(c)] -= 50
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return truth, powers / powers.sum(1, keepdims=True)


@given(
    seed=st.integers(0, 2**32),
    n=st.integers(1, 60),
    c=st.integers(2, 12),
    share=st.floats(0.1, 1),
)
def test_scores_are_those_of_scikit_learn(seed: int, n: int, c: int, share: float) -> None:
    truth, probabilities = predictions(seed, n, c, max(1, int(c * share)))
    found = evaluate(truth, probabilities, [f"c{i}" for i in range(c)], resamples=2)
    predicted = probabilities.argmax(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that do not occur: that is what is tested
        macro = theirs.precision_recall_fscore_support(
            truth, predicted, average="macro", zero_division=0
        )
        each = theirs.precision_recall_fscore_support(
            truth, predicted, labels=range(c), zero_division=0
        )
        balanced = theirs.balanced_accuracy_score(truth, predicted)
    exactly: dict[str, Any] = {"rel": 0, "abs": 1e-12}
    assert found.accuracy.value == pytest.approx(theirs.accuracy_score(truth, predicted), **exactly)
    assert found.balanced_accuracy.value == pytest.approx(balanced, **exactly)
    ours = (found.macro_precision, found.macro_recall, found.macro_f1)
    assert [score.value for score in ours] == pytest.approx(list(macro[:3]), **exactly)
    for number, score in enumerate(found.per_class):
        assert (score.precision, score.recall, score.f1) == pytest.approx(
            [part[number] for part in each[:3]], **exactly
        )
        assert (score.support, score.predicted) == (
            each[3][number],
            (predicted == number).sum(),
        )
    matrix = theirs.confusion_matrix(truth, predicted, labels=range(c))
    assert np.array_equal(found.confusion, matrix)
    if c > 5:
        top = theirs.top_k_accuracy_score(truth, probabilities, k=5, labels=range(c))
        assert found.top5_accuracy is not None
        assert found.top5_accuracy.value == pytest.approx(top, **exactly)
    else:
        assert found.top5_accuracy is None


@given(seed=st.integers(0, 2**32), n=st.integers(1, 200))
def test_calibration_is_that_of_scikit_learns_curve(seed: int, n: int) -> None:
    truth, probabilities = predictions(seed, n, 3, 3)
    found = evaluate(truth, probabilities, CLASSES, resamples=2)
    right, confidence = probabilities.argmax(1) == truth, probabilities.max(1)
    accuracy, mean = calibration_curve(right, confidence, n_bins=BINS)
    full = [one for one in found.reliability if one.n]
    assert [one.accuracy for one in full] == pytest.approx(accuracy, abs=1e-12)
    assert [one.confidence for one in full] == pytest.approx(mean, abs=1e-12)
    gaps = np.abs(accuracy - mean) @ [one.n for one in full] / n
    assert found.ece.value == pytest.approx(gaps, abs=1e-12)
    counts = [((one.low < confidence) & (confidence <= one.high)).sum() for one in full]
    assert [one.n for one in full] == counts


def test_known_scores() -> None:
    """Four coats, of which three are found; a dress taken for a coat; no hat."""
    probabilities = [
        [0.9, 0.1, 0.0],
        [0.8, 0.2, 0.0],
        [0.6, 0.4, 0.0],
        [0.3, 0.7, 0.0],
        [0.55, 0.45, 0.0],
        [0.2, 0.8, 0.0],
    ]
    found = evaluate([0, 0, 0, 0, 1, 1], probabilities, CLASSES)
    assert found.accuracy.value == pytest.approx(4 / 6)
    assert found.macro_precision.value == pytest.approx((3 / 4 + 1 / 2) / 2), "hats leave no trace"
    assert found.macro_recall.value == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found.confusion == ((3, 1, 0), (1, 1, 0), (0, 0, 0))
    hat = found.per_class[2]
    assert (hat.name, hat.support, hat.precision, hat.recall, hat.f1) == ("hat", 0, 0, 0, 0)
    record = found.record()
    assert record["accuracy_ci95"] is None, "of six images"
    assert record["per_class"][0] == {
        "class": "coat",
        "support": 4,
        "predicted": 4,
        "precision": 0.75,
        "recall": 0.75,
        "f1": 0.75,
        "precision_ci95": None,
        "recall_ci95": None,
        "f1_ci95": None,
    }
    assert "top5_accuracy" not in record


def test_of_equal_probabilities_the_first_is_predicted() -> None:
    even = np.full((8, 8), 1 / 8)
    found = evaluate(range(8), even, [str(i) for i in range(8)])
    assert found.accuracy.value == 1 / 8
    assert found.top5_accuracy is not None
    assert found.top5_accuracy.value == 5 / 8


def test_intervals_of_accuracies_are_exact_and_no_other_is_narrower() -> None:
    """0.8 of 1,000: the normal approximation gives 0.775 to 0.825."""
    right = np.arange(1000) % 5 > 0
    probabilities = np.stack([right, ~right], 1).astype(float)
    found = evaluate(np.zeros(1000, int), probabilities, ["a", "b"])
    assert found.accuracy == accuracy_interval(right) and found.accuracy.value == 0.8
    assert found.accuracy.ends == pytest.approx((0.775, 0.825), abs=0.003)
    [a, b] = found.per_class
    assert a.recall_ci95 == found.accuracy.ends and b.recall_ci95 is None
    assert found == evaluate(np.zeros(1000, int), probabilities, ["a", "b"])


@pytest.mark.parametrize("n", [10, 20, 200])
def test_all_right_is_not_certain(n: int) -> None:
    truth = np.arange(n) % 2
    found = evaluate(truth, np.eye(2)[truth], ["a", "b"])
    for name, score in found.headlines().items():
        if name != "ece":
            low = (0.025) ** (1 / n)
            assert (score.value, score.high) == (1, 1), name
            assert score.low == pytest.approx(low), name
    for one in found.per_class:
        assert (one.f1_ci95 is None) == (n // 2 < 10)
        assert one.f1_ci95 is None or one.f1_ci95[0] == pytest.approx(0.025 ** (2 / n))


def test_fewer_than_ten_images_have_no_interval() -> None:
    truth = np.arange(4) % 2
    found = evaluate(truth, np.eye(2)[truth], ["a", "b"])
    assert {score.ends for score in found.headlines().values()} == {None}
    assert str(found.accuracy) == "1.0000 (none: fewer than 10 images)"
    assert found.record()["accuracy_ci95"] is None
    assert found.per_class[0].f1_interval() == "none: fewer than 10 images"


@pytest.mark.parametrize(
    ("truth", "probabilities", "said"),
    [
        ([0, 1], [[1, 0, 0]], "received shape (1, 3) for 2 images and 3 classes"),
        ([], np.empty((0, 3)), "received shape (0, 3) for 0 images"),
        ([3], [[1, 0, 0]], "expected classes from 0 to 2, received 3"),
        ([0], [[1.5, -0.5, 0]], "a negative one"),
        ([0], [[np.nan, 0, 0]], "NaN"),
        ([0, 0], [[1, 0, 0], [0.5, 0.2, 0.1]], "those of image 1 sum to 0.8000"),
    ],
)
def test_what_cannot_be_scored_is_an_error(
    truth: npt.ArrayLike, probabilities: npt.ArrayLike, said: str
) -> None:
    with pytest.raises(EmbedtoolError) as caught:
        evaluate(truth, probabilities, CLASSES)
    assert said in str(caught.value)
