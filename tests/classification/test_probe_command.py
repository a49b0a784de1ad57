"""The probe commands and their JSON."""

import json
from pathlib import Path

from support.command import embedtool_here as embedtool
from support.labelled import labelled_index


def test_the_commands_and_their_json(tmp_path: Path) -> None:
    index = labelled_index(tmp_path / "made")
    probe, page = tmp_path / "probe", tmp_path / "page.html"
    trained = embedtool("probe", "train", index, "--out", probe, "--json")
    assert (trained.code, trained.err) == (0, "")
    report = json.loads(trained.out)
    assert report["schema"] == 2
    assert report["labels"]["classes"] == {"class0": 40, "class1": 40, "class2": 40}
    assert report["score"]["n"] == 120
    assert report["leaky_score"]["accuracy"] == report["score"]["accuracy"]
    assert report["knn_score"]["accuracy"] > 0.5
    done = embedtool("probe", "evaluate", index, "--probe", probe)
    assert (done.code, done.out) == (2, "")
    assert "neither the probe nor its network was trained on, but" in done.err
    index = labelled_index(tmp_path / "new")
    done = embedtool("probe", "evaluate", index, "--probe", probe, "--html", page, "--json")
    assert done.code == 0, done.err
    evaluation = json.loads(done.out)
    shape = "n classes accuracy accuracy_ci95 macro_precision macro_recall macro_f1 per_class"
    assert set(f"schema {shape} confusion training_images".split()) <= set(evaluation)
    assert evaluation["training_images"] == 0 and "not scored" not in done.err
    assert "the file is gone" in page.read_text(), "no photo is there to show"
    plain = embedtool("probe", "evaluate", index, "--probe", probe, "-q")
    assert plain.out.splitlines()[0] == "images\t120"
    index = tmp_path / "made" / "index"
    predicted = embedtool("probe", "predict", index, "--probe", probe, "--suggest", 3, "--json")
    said = json.loads(predicted.out)
    assert len(said["predictions"]) == 120
    assert said["suggested"] == [], "all were learned from"
    wrong = embedtool("probe", "predict", index, "--probe", probe, "--abstain-below", 2)
    assert wrong.code == 2
    assert "abstain_below from 0 to 1" in wrong.err
    other = embedtool("probe", "predict", index, "--probe", index)
    assert other.code == 1
    assert "there is no probe.json" in other.err


def test_the_text_has_the_accuracy_by_the_number_of_images(tmp_path: Path) -> None:
    index = labelled_index(tmp_path / "made")
    trained = embedtool("probe", "train", index, "--out", tmp_path / "probe")
    lines = dict(line.split("\t") for line in trained.out.splitlines())
    report = json.loads((tmp_path / "probe" / "probe.json").read_text())["report"]
    curve = report["learning_curve"]
    assert [point["images"] for point in curve] == [72, 96, 120]
    names = "accuracy of 72 images", "accuracy of 96 images", "accuracy of 120 images, extrapolated"
    for name, point in zip(names, curve, strict=True):
        assert lines[name] == f"{point['accuracy']:.4f}"
