"""No score uses an image that the network of the index was trained on, or a near-duplicate."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.labelled import clouds, make_index

import embedtool as package
from embedtool.classification.labels import read_labels
from embedtool.core.types import Vectors, unit_rows
from embedtool.errors import UsageError
from embedtool.library.probe_results import ProbeResult
from embedtool.models.training_images import TrainingImages
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

OLD, NEW = 120, 180  # images that the network was trained on, and others


def trained_on(index: Path, count: int, *, complete: bool = True) -> Path:
    """Record that the network was trained on the first images of an index."""
    with IndexReader(index) as opened:
        found = read_labels(opened)
        own = [found.digests[content] for content in found.contents[:count].tolist()]
    images = TrainingImages(complete=complete) | TrainingImages.of(own, b"salt")
    with Writer(index) as writer:
        writer._db.execute("INSERT INTO meta VALUES ('training_images', ?)", (images.to_bytes(),))
    return index


def memorised(seed: int = 0, copies: int = 0) -> tuple[Vectors, list[str]]:
    """Vectors and paths: those of the training images tell the class, those of the others do not.
    copies: this many of the others are near-duplicates of training images."""
    rows, labels = clouds(seed, OLD, 3, 48, 1.6)
    random = np.random.default_rng(seed)
    noise, _ = clouds(seed + 1, NEW, 3, 48, 4)
    noise[:copies] = unit_rows(rows[:copies] + 0.01 * random.normal(size=(copies, 48)))
    of_noise = random.integers(3, size=NEW)
    of_noise[:copies] = labels[:copies]
    names = [f"class{c}/{n:03}.jpg" for n, c in enumerate([*labels, *of_noise])]
    return np.vstack([rows, noise]), names


def probe(index: Path, **options: Any) -> ProbeResult:
    with package.open(index) as opened:
        return opened.probe(**options)


def index_of(folder: Path, rows: Vectors, names: Sequence[str], *, old: int = OLD) -> Path:
    return trained_on(make_index(folder, rows, list(names)), old)


@pytest.mark.parametrize("copies", [0, 60])
def test_the_probe_is_scored_on_other_images(tmp_path: Path, copies: int) -> None:
    rows, names = memorised(copies=copies)
    report = probe(index_of(tmp_path, rows, names), shots=3)
    plain = probe(make_index(tmp_path / "plain", rows, names))
    assert plain.evaluation.accuracy.value > 0.5 and plain.training_images == 0
    assert report.evaluation.n == NEW - copies and report.training_images == OLD + copies
    for score in (report.evaluation.accuracy, report.leaky_score, report.knn_score):
        assert 0.2 < score.value < 0.48, "a third is chance"
    assert report.few_shot and report.few_shot.accuracy.value < 0.48
    assert sum(one.support for one in report.evaluation.per_class) == NEW - copies
    assert report.record()["training_images"] == OLD + copies
    assert any(
        f"{OLD + copies} of 300 images trained this network" in note for note in report.notes
    )


def test_training_images_without_a_label_are_compared_too(tmp_path: Path) -> None:
    rows, names = memorised(copies=60)
    index = index_of(tmp_path, rows, names)
    table = {str(tmp_path / name): name.split("/")[0] for name in names[OLD:]}
    report = probe(index, labels=table)
    assert report.labels.labelled == NEW and report.evaluation.n == NEW - 60
    assert 0.2 < report.evaluation.accuracy.value < 0.48


def test_a_score_on_too_few_others_is_refused(tmp_path: Path) -> None:
    rows, names = memorised()
    index = index_of(tmp_path, rows, names, old=OLD + NEW - 10)
    message = (
        r"at least 20 images of two classes that the network of .* was not trained on, received 10 "
        r"of 300\. Index other photos: embedtool index OTHER_PHOTOS --model imported:made.* --test"
    )
    with pytest.raises(UsageError, match=message):
        probe(index)
    index.rename(tmp_path / "tuned")
    other = make_index(tmp_path, rows, names, model="another")
    with pytest.raises(UsageError, match=message):
        package.compare_indexes(other, tmp_path / "tuned")


def test_evaluation_leaves_out_what_the_probe_and_the_network_learned(tmp_path: Path) -> None:
    rows, names = memorised(copies=20)
    index = index_of(tmp_path, rows, names)
    table = {str(tmp_path / name): name.split("/")[0] for name in names[: OLD + 100]}
    package.train_probe(index, tmp_path / "probe", labels=table)
    found = package.evaluate_probe(index, tmp_path / "probe")
    assert (found.evaluation.n, found.training_images) == (80, 220)
    assert found.evaluation.accuracy.value < 0.5
    assert {Path(one.path).name for one in found.mistakes} <= {Path(n).name for n in names[220:]}
    assert any("220 of 300 images are not scored" in note for note in found.notes())
    package.train_probe(index, tmp_path / "probe")
    with pytest.raises(UsageError, match="neither the probe nor its network was trained on"):
        package.evaluate_probe(index, tmp_path / "probe")


def test_two_networks_are_compared_on_other_images(tmp_path: Path) -> None:
    """The vectors of the first do not tell the classes at all; those of the second only where it
    was trained."""
    rows, names = memorised(copies=20)
    blind, _ = clouds(7, OLD + NEW, 1, 48, 4)
    first = make_index(tmp_path, blind, names, model="frozen").rename(tmp_path / "first")
    second = index_of(tmp_path, rows, names)
    found = package.compare_indexes(first, second)
    assert found.images == NEW - 20
    for measure in found.measures[:2]:
        assert (measure.change.low or 0) < 0.1, measure
        assert measure.second.value < 0.5


@pytest.mark.parametrize(
    ("model", "noted"), [("made", False), ("builtin", False), ("/home/me/tuned", True)]
)
def test_an_index_that_does_not_record_them_says_so(
    tmp_path: Path, model: str, noted: bool
) -> None:
    rows, names = memorised()
    index = make_index(tmp_path, rows, names)
    if model != "made":  # an index of the time before, not an import
        trained_on(index, 0, complete=not noted)
    notes = probe(index).notes
    assert any("does not record which images" in note for note in notes) == noted
