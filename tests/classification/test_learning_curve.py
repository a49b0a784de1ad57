"""The accuracy to expect of a probe of all images, from classifiers of fewer."""

from pathlib import Path

import numpy as np
import pytest
from support.labelled import clouds, make_index

import embedtool as package
from embedtool.classification.cross_validation import cross_validate, sample_weights
from embedtool.classification.intervals import Estimate, share_interval, widened
from embedtool.classification.learning_curve import CurvePoint, extrapolate, learning_curve
from embedtool.classification.logistic_regression import PrincipalAxes, fit
from embedtool.classification.splits import assign_folds


@pytest.mark.parametrize("left_out", [1, 2, 3])
@pytest.mark.parametrize("outside", [0, 20])
def test_a_fold_is_predicted_without_it_and_the_folds_after_it(left_out: int, outside: int) -> None:
    rows, labels = clouds(4, 160, 3, 12, 3)
    folds = assign_folds(labels, np.arange(160), 4)
    folds[:outside] = -1
    found = cross_validate(rows, labels, folds, 3, strengths=[10.0], left_out=left_out)
    for fold in range(4):
        gone = [(fold + step) % 4 for step in range(left_out)]
        kept = np.flatnonzero(~np.isin(folds, gone))
        expected = fit(
            rows[kept],
            labels[kept],
            sample_weights(labels[kept], 3, balanced=False),
            3,
            strength=10.0,
            axes=PrincipalAxes(rows),
            training=[slice(0, len(kept))],
        ).with_temperature(found.temperature)
        here = folds == fold
        assert found.probabilities[here] == pytest.approx(
            expected.probabilities(rows[here]), abs=0.02
        )
    assert np.isnan(found.probabilities[:outside]).all()


def test_the_error_falls_with_the_inverse_of_the_number_of_images() -> None:
    more = CurvePoint(80, 0.7)
    found = extrapolate(CurvePoint(60, 0.6), more, 100)
    assert (found.images, found.extrapolated) == (100, True)
    assert found.accuracy == pytest.approx(0.76)  # 0.7 + 0.1 (1/80 - 1/100) / (1/60 - 1/80)
    assert extrapolate(CurvePoint(60, 0.8), more, 100).accuracy == 0.7
    assert extrapolate(CurvePoint(60, 0.2), CurvePoint(80, 0.9), 10**6).accuracy == 1.0


@pytest.mark.parametrize(
    ("count", "outside", "images"),
    [(2, 0, [60]), (3, 30, [60, 90, 120]), (4, 20, [70, 95, 120])],
)
def test_the_points_are_of_all_folds_but_two_all_but_one_and_all(
    count: int, outside: int, images: list[int]
) -> None:
    rows, labels = clouds(4, 120, 3, 12, 3)
    folds = np.full(120, -1)  # in no fold: trained on, never scored
    folds[outside:] = assign_folds(labels[outside:], np.arange(120 - outside), count)
    each = [
        cross_validate(rows, labels, folds, 3, strengths=[10.0], left_out=left_out)
        for left_out in range(1, count)
    ]
    curve = learning_curve(rows, labels, folds, 3, validation=each[0], images=120)
    assert [point.images for point in curve] == images
    own = [float((one.probabilities.argmax(1) == labels)[outside:].mean()) for one in each[:2]]
    assert [point.accuracy for point in curve[:2]] == own[::-1]
    assert count == 2 or curve[2] == extrapolate(curve[0], curve[1], 120)


def test_the_interval_of_the_accuracy_contains_that_of_the_probe_itself(tmp_path: Path) -> None:
    rows, labels = clouds(3, 80, 20, 60, 3)  # four images of each class: each counts
    names = [f"class{c:02}/{i}.jpg" for i, c in enumerate(labels)]
    report = package.train_probe(make_index(tmp_path / "i", rows, names), tmp_path / "probe")
    fewer, more, expected = report.learning_curve
    assert [fewer.images, more.images, expected.images] == [40, 60, 80]
    assert fewer.accuracy < more.accuracy < expected.accuracy
    accuracy = report.evaluation.accuracy
    assert accuracy.value == more.accuracy
    assert accuracy.low == share_interval(80 * more.accuracy, 80).low
    assert accuracy.high == share_interval(80 * expected.accuracy, 80).high
    others, other_labels = clouds(3, 4000, 20, 60, 3)
    predicted = report.trained.classifier.probabilities(others[80:]).argmax(1)
    true = float((predicted == other_labels[80:]).mean())
    assert accuracy.low is not None and accuracy.high is not None
    assert accuracy.low < true < accuracy.high
    assert report.record()["learning_curve"][2] == {
        "images": 80,
        "accuracy": expected.accuracy,
        "extrapolated": True,
    }


def test_an_interval_is_widened_to_both() -> None:
    one, other = Estimate(0.5, 0.4, 0.6), Estimate(0.7, 0.45, 0.8)
    assert widened(one, other) == Estimate(0.5, 0.4, 0.8)
    assert widened(other, one) == Estimate(0.7, 0.4, 0.8)
    assert widened(one, Estimate(0.7, None, None)) == one
    assert widened(Estimate(0.7, None, None), one) == Estimate(0.7, None, None)
