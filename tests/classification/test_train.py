"""Training a probe: scores that no copy inflates, the same probe each time, too few images."""

from pathlib import Path

import numpy as np
import pytest
from support.command import embedtool_here as embedtool
from support.labelled import clouds, labelled_index, make_index
from support.shared import copy_first_photos

import embedtool as package
from embedtool.classification.labels import read_labels
from embedtool.classification.probe import read_probe
from embedtool.core.types import unit_rows
from embedtool.store.reader import IndexReader


def test_near_duplicates_inflate_the_leaky_score_alone(tmp_path: Path) -> None:
    """Labels of chance, each picture there three times: who deals files learns them by heart."""
    rows, _ = clouds(10, 150, 3, 64, 4)
    random = np.random.default_rng(0)
    labels = random.integers(3, size=150)
    near = [unit_rows(rows + 0.02 * random.normal(size=rows.shape)) for _ in range(2)]
    names = [f"class{label}/{i}-{copy}.jpg" for copy in range(3) for i, label in enumerate(labels)]
    index = make_index(tmp_path, np.vstack([rows, *near]), names)
    report = package.train_probe(index, tmp_path / "probe", shots=3)
    assert report.near_duplicates == 450
    assert report.evaluation.accuracy.value < 0.45, "honest: a third is chance"
    assert report.leaky_score.value > (report.evaluation.accuracy.high or 1) + 0.1, "inflated"
    record = report.record()
    assert record["leaky_score"]["accuracy"] == report.leaky_score.value
    written = read_probe(tmp_path / "probe").report
    assert written["score_without_care"] == record["leaky_score"], "the file's own keys stay"
    assert written["few_shot"]["judged"] == record["few_shot"]["test_images"]
    assert report.few_shot is not None
    assert report.few_shot.accuracy.value < 0.5


def test_without_near_duplicates_both_scores_are_equal(tmp_path: Path) -> None:
    report = package.train_probe(labelled_index(tmp_path), tmp_path / "probe")
    assert report.near_duplicates == 0
    assert report.leaky_score.value == report.evaluation.accuracy.value
    assert report.leaky_score.low == report.evaluation.accuracy.low


def test_a_probe_is_the_same_each_time_and_records_what_it_is(tmp_path: Path) -> None:
    index = labelled_index(tmp_path / "made")
    report = package.train_probe(index, tmp_path / "one", seed=3, balanced=True)
    package.train_probe(index, tmp_path / "two", seed=3, balanced=True)
    one, two = read_probe(tmp_path / "one"), read_probe(tmp_path / "two")
    assert np.array_equal(one.classifier.weights, two.classifier.weights)
    assert np.array_equal(one.classifier.bias, two.classifier.bias)
    with IndexReader(index) as opened:
        assert one.fingerprint == opened.fingerprint
        assert one.training_images.flags(read_labels(opened).digests).all()
    assert (one.classes, one.seed, one.balanced) == (("class0", "class1", "class2"), 3, True)
    assert one.strength == report.strength
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == [
        "probe.json",
        "probe.safetensors",
    ]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a/1.jpg", "a/2.jpg", "a/3.jpg"], "images of at least two classes, received 1: 'a'"),
        (["a/1.jpg", "b/2.jpg"], "but class 'a' has only one. "),
        (["a/1.jpg", "a/2.jpg", "b/3.jpg"], "but class 'b' has only one. "),
    ],
)
def test_too_little_to_learn_from_is_one_line(tmp_path: Path, names: list[str], said: str) -> None:
    rows, _ = clouds(0, len(names), 2, 24, 3)
    index = make_index(tmp_path, rows, names)
    done = embedtool("probe", "train", index, "--out", tmp_path / "probe")
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "probe").exists()


@pytest.mark.shared
@pytest.mark.slow
def test_some_clothing_photos(clothing: Path, tmp_path: Path) -> None:
    """Built-in network, 30 photos of each class: 0.5 on photos that were not learned from."""
    indexes = []
    for name, each in (("train", 30), ("test", 12)):
        photos = copy_first_photos(clothing / name, tmp_path / "photos" / name, each)
        indexes.append(package.index_photos(photos, index=tmp_path / name, model="builtin").index)
    report = package.train_probe(indexes[0], tmp_path / "probe")
    found = package.evaluate_probe(indexes[1], tmp_path / "probe")
    assert found.evaluation.n == 120
    assert found.evaluation.accuracy.value >= 0.5
    assert report.knn_score.value < report.evaluation.accuracy.value


@pytest.mark.shared
@pytest.mark.long
def test_the_clothing_photos(clothing: Path, tmp_path: Path) -> None:
    """Full network: at least 0.87 on photos that were not learned from."""
    train = package.index_photos(clothing / "train", index=tmp_path / "train", model="mobilenet_v2")
    others = [clothing / "validation", clothing / "test"]
    test = package.index_photos(others, index=tmp_path / "test", model="mobilenet_v2")
    report = package.train_probe(train.index, tmp_path / "probe")
    found = package.evaluate_probe(test.index, tmp_path / "probe")
    assert found.evaluation.n == 713
    assert found.evaluation.accuracy.value >= 0.87
    assert report.knn_score.value < report.evaluation.accuracy.value
    low, high = report.evaluation.accuracy.low, report.evaluation.accuracy.high
    print(f"held out {found.evaluation.accuracy}, cross-validated {low:.3f} to {high:.3f}")
