"""Predictions and evaluations of a probe on an index."""

import csv
from pathlib import Path

import pytest
from support.labelled import clouds, labelled_index, make_index

import embedtool as package
from embedtool.classification.probe import read_probe
from embedtool.errors import ModelMismatch, UsageError


def test_predictions_and_what_to_label_next(tmp_path: Path) -> None:
    rows, labels = clouds(0, 120, 3, 24, 2)
    names = [f"class{label}/{i}.jpg" for i, label in enumerate(labels)]
    index = make_index(tmp_path / "made", rows, names)
    table = tmp_path / "made" / "some.csv"
    table.write_text("path,label\n" + "".join(f"{n},{n[:6]}\n" for n in names[:60]))
    probe = tmp_path / "probe"
    assert package.train_probe(index, probe, labels=table).labels.labelled == 60
    found = package.predict_images(index, probe, abstain_below=0.9, suggest_count=7)
    assert found.classes == ("class0", "class1", "class2")
    by_hand = read_probe(probe).classifier.probabilities(rows)
    assert found.probabilities == pytest.approx(by_hand, abs=0.002), "stored as float16"
    unsure = [one for one in found.images if one.label is None]
    assert len(unsure) == found.abstained == (found.probabilities.max(1) < 0.9).sum() > 0
    assert all(one.probability < 0.9 for one in unsure)
    right = [one.likeliest == one.path.parent.name for one in found.images]
    assert sum(right) / 120 > 0.85
    assert len(set(found.suggested)) == 7
    later = {tmp_path / "made" / name for name in names[60:]}
    assert set(found.suggested) <= later, "those learned from need no label"
    found.write_table(tmp_path / "out.csv")
    with open(tmp_path / "out.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0])[:4] == ["path", "label", "probability", "margin"]
    assert [line["label"] or None for line in lines] == [one.label for one in found.images]
    assert float(lines[5]["p:class1"]) == pytest.approx(found.probabilities[5, 1], abs=1e-6)
    again = package.train_probe(index, tmp_path / "again", labels=tmp_path / "out.csv")
    assert again.labels.labelled == 120 - found.abstained, "what it wrote serves as labels"


def test_an_evaluation_counts_training_images(tmp_path: Path) -> None:
    index = labelled_index(tmp_path / "made")
    package.train_probe(index, tmp_path / "probe")
    with pytest.raises(UsageError, match="neither the probe nor its network was trained on"):
        package.evaluate_probe(index, tmp_path / "probe")
    rows, labels = clouds(0, 160, 4, 24, 2)
    other = make_index(tmp_path / "new", rows, [f"class{c}/{i}.jpg" for i, c in enumerate(labels)])
    found = package.evaluate_probe(other, tmp_path / "probe")
    assert (found.training_images, found.unknown_classes, found.evaluation.n) == (
        0,
        {"class3": 40},
        120,
    )
    wrong = found.evaluation.n - sum(row[i] for i, row in enumerate(found.evaluation.confusion))
    assert len(found.mistakes) == min(wrong, 60) > 0
    confident = [one.probability for one in found.mistakes]
    assert confident == sorted(confident, reverse=True)
    assert all(one.truth == one.path.parent.name != one.predicted for one in found.mistakes)


def test_vectors_of_another_model_are_refused(tmp_path: Path) -> None:
    index = labelled_index(tmp_path / "made")
    package.train_probe(index, tmp_path / "probe")
    rows, _ = clouds(0, 6, 2, 24, 1)
    other = make_index(tmp_path / "other", rows, [f"{i}.jpg" for i in range(6)], model="another")
    for call in (package.predict_images, package.evaluate_probe):
        with pytest.raises(ModelMismatch, match=r"embedtool probe train .*other"):
            call(other, tmp_path / "probe")
