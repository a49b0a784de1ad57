"""Logistic regression against scikit-learn's."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from support.labelled import clouds

from embedtool.classification.cross_validation import sample_weights
from embedtool.classification.logistic_regression import (
    BLOCK_ROWS,
    LinearClassifier,
    PrincipalAxes,
    fit,
)


@pytest.mark.parametrize(("n", "d"), [(300, 20), (40, 60), (BLOCK_ROWS + 500, 8)])
@pytest.mark.parametrize("strength", [0.3, 30])
def test_the_classifier_is_scikit_learns(n: int, d: int, strength: float) -> None:
    rows, labels = clouds(1, n, 4, d, 3)
    weights = sample_weights(labels, 4, balanced=False)
    found = fit(
        rows,
        labels,
        weights,
        4,
        strength=strength,
        axes=PrincipalAxes(rows),
        training=[slice(0, n)],
    )
    theirs = LogisticRegression(C=strength, max_iter=5000, tol=1e-8).fit(rows, labels)
    expected = theirs.predict_proba(rows)
    assert np.abs(found.probabilities(rows) - expected).max() < 0.01
    assert found.weights == pytest.approx(
        theirs.coef_, abs=float(0.02 * np.abs(theirs.coef_).max())
    )


def test_class_weights_are_scikit_learns() -> None:
    rows, labels = clouds(2, 200, 2, 10, 3)
    labels = np.where(np.arange(200) < 170, 0, labels)
    weights = sample_weights(labels, 2, balanced=True)
    assert weights[labels == 0].sum() == pytest.approx(weights[labels == 1].sum())
    found = fit(
        rows, labels, weights, 2, strength=10, axes=PrincipalAxes(rows), training=[slice(0, 200)]
    )
    theirs = LogisticRegression(C=10, class_weight="balanced", max_iter=5000).fit(rows, labels)
    # with two classes scikit-learn has one set of weights, ours two that are half of it each and
    # cost half the penalty
    twice = LogisticRegression(C=20, class_weight="balanced", max_iter=5000).fit(rows, labels)
    assert np.abs(found.probabilities(rows) - twice.predict_proba(rows)).max() < 0.01
    assert (found.probabilities(rows).argmax(1) == theirs.predict(rows)).mean() > 0.97


def test_rows_left_out_are_not_learned_from() -> None:
    rows, labels = clouds(3, 300, 3, 12, 3)
    weights, axes = sample_weights(labels, 3, balanced=False), PrincipalAxes(rows)
    whole: dict[str, Any] = {"strength": 3.0, "axes": axes}
    wrong = np.concatenate([labels[:200], (labels[200:] + 1) % 3])
    one = fit(rows, labels, weights, 3, **whole, training=[slice(0, 200), slice(300, 300)])
    other = fit(rows, wrong, weights, 3, **whole, training=[slice(0, 200)])
    assert np.array_equal(one.weights, other.weights), "equal to the bit"


def test_probabilities_are_the_softmax_of_the_logits() -> None:
    solution = LinearClassifier(np.eye(2, dtype=np.float32), np.zeros(2, np.float32))
    rows = np.array([[1, 0], [0, 1]], np.float32)
    e = np.e
    assert solution.probabilities(rows) == pytest.approx(
        np.array([[e, 1], [1, e]]) / (e + 1), abs=1e-6
    )
