"""Cross-validation: the strength that is chosen, its temperature, and k-NN beside it."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from support.labelled import clouds, make_index

import embedtool as package
from embedtool.classification.cross_validation import STRENGTHS, cross_validate
from embedtool.classification.knn import predict_knn
from embedtool.classification.metrics import evaluate
from embedtool.classification.probe import read_probe
from embedtool.classification.splits import assign_folds


def test_the_most_accurate_strength_is_chosen_and_scores_are_of_unseen_images() -> None:
    rows, labels = clouds(5, 240, 3, 40, 5)
    noise = np.random.default_rng(0).permutation(labels)
    folds = assign_folds(labels, np.arange(240), 5)
    found = cross_validate(rows, noise, folds, 3)
    assert found.best.accuracy == max(trial.accuracy for trial in found.trials)
    assert found.best.accuracy < 0.45, "labels of chance: what was learned by heart is no help"
    assert found.best not in found.trials[-2:], "it ends where two in a row are no better"
    assert [trial.strength for trial in found.trials] == list(STRENGTHS[: len(found.trials)])
    assert (found.probabilities.argmax(1) == noise).mean() == found.best.accuracy
    own = found.probabilities[np.arange(240), noise]
    assert -np.log(own).mean() < found.best.log_loss


def test_temperature_calibrates_confidence() -> None:
    rows, labels = clouds(12, 900, 3, 40, 6)
    folds = assign_folds(labels, np.arange(900), 5)
    found = cross_validate(rows, labels, folds, 3, strengths=[0.3])
    assert found.temperature < 0.8, "a strong pull makes unsure"
    own = evaluate(labels, found.probabilities, ["a", "b", "c"], resamples=2)
    right = (found.probabilities.argmax(1) == labels).mean()
    assert found.probabilities.max(1).mean() == pytest.approx(right, abs=0.03)
    assert own.ece.value < 0.06
    cooled = found.mean.with_temperature(found.temperature).probabilities(rows)
    plain = found.mean.probabilities(rows)
    assert np.array_equal(cooled.argmax(1), plain.argmax(1))
    powers = plain ** (1 / found.temperature)
    assert cooled == pytest.approx(powers / powers.sum(1, keepdims=True), abs=1e-4)


def test_with_few_images_or_mistakes_strength_and_temperature_are_fixed(tmp_path: Path) -> None:
    rows, labels = clouds(12, 49, 3, 40, 6)
    found = cross_validate(rows, labels, assign_folds(labels, np.arange(49), 5), 3)
    assert [trial.strength for trial in found.trials] == [31.6228]
    assert found.temperature == 0.45 and "at least 50 images and 3 mistakes" in found.note
    names = [f"class{c}/{i}.jpg" for i, c in enumerate(labels)]
    report = package.train_probe(make_index(tmp_path / "i", rows, names), tmp_path / "probe")
    assert any("are fixed: 49 held-out images" in note for note in report.notes)
    probe = read_probe(tmp_path / "probe")
    assert (probe.strength, probe.temperature) == (31.6228, 0.45)

    clear, labels = clouds(12, 90, 3, 40, 1)
    found = cross_validate(clear, labels, assign_folds(labels, np.arange(90), 5), 3)
    assert found.best.accuracy == 1 and found.best.strength == 31.6228
    assert found.temperature == 0.45 and "90 held-out images with 0 mistakes" in found.note

    rows, labels = clouds(12, 51, 3, 40, 6)
    found = cross_validate(rows, labels, assign_folds(labels, np.arange(51), 5), 3)
    assert len(found.trials) > 1 and found.note == ""
    assert found.temperature not in (0.45, 1.0)
    fixed = cross_validate(rows, labels, assign_folds(labels, np.arange(51), 5), 3, strengths=[0.3])
    assert fixed.best.strength == 0.3


def test_knn_is_scikit_learns() -> None:
    rows, labels = clouds(4, 200, 3, 12, 3)
    found = predict_knn(rows[:150], labels[:150], rows[150:], 3, k=5)
    near = KNeighborsClassifier(5, metric="cosine", weights=lambda d: 1 - d)
    expected = near.fit(rows[:150], labels[:150]).predict_proba(rows[150:])
    assert found == pytest.approx(expected, abs=1e-5)
