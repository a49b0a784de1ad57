"""Probes: the solution, the split, the labels, the commands, and scores that no copy inflates."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from support.browser import Page
from support.command import embedtool
from support.labelled import clouds, labelled_index, make_index
from support.pictures import picture, save

import embedtool as package
from embedtool.classification.cross_validation import GRID, class_counts, cross_validate
from embedtool.classification.few_shot import few_shot
from embedtool.classification.knn import predict_knn
from embedtool.classification.label_suggestions import suggest
from embedtool.classification.labels import UNLABELLED, read_labels
from embedtool.classification.logistic_regression import ROWS, Axes, Solution, fit
from embedtool.classification.metrics import evaluate
from embedtool.classification.mistakes import Mistake
from embedtool.classification.near_copies import near_duplicate_groups
from embedtool.classification.probe import read_probe
from embedtool.classification.splits import assign_folds, linked_groups
from embedtool.core.tables import write_table
from embedtool.core.types import unit_rows
from embedtool.errors import EmbedtoolError, ModelMismatch, UsageError
from embedtool.report.evaluation_page import evaluation_page
from embedtool.store.reader import IndexReader

# The solution


@pytest.mark.parametrize(("n", "d"), [(300, 20), (40, 60), (ROWS + 500, 8)])
@pytest.mark.parametrize("strength", [0.3, 30])
def test_the_solution_is_scikit_learns(n: int, d: int, strength: float) -> None:
    rows, labels = clouds(1, n, 4, d, 3)
    counts = class_counts(labels, 4, balanced=False)
    found = fit(rows, labels, counts, 4, strength=strength, axes=Axes(rows), parts=[slice(0, n)])
    theirs = LogisticRegression(C=strength, max_iter=5000, tol=1e-8).fit(rows, labels)
    expected = theirs.predict_proba(rows)
    assert np.abs(found.probabilities(rows) - expected).max() < 0.01
    assert found.weights == pytest.approx(
        theirs.coef_, abs=float(0.02 * np.abs(theirs.coef_).max())
    )


def test_class_weights_are_scikit_learns() -> None:
    rows, labels = clouds(2, 200, 2, 10, 3)
    labels = np.where(np.arange(200) < 170, 0, labels)
    counts = class_counts(labels, 2, balanced=True)
    assert counts[labels == 0].sum() == pytest.approx(counts[labels == 1].sum())
    found = fit(rows, labels, counts, 2, strength=10, axes=Axes(rows), parts=[slice(0, 200)])
    theirs = LogisticRegression(C=10, class_weight="balanced", max_iter=5000).fit(rows, labels)
    # with two classes scikit-learn has one set of weights, ours two that are half of it each and
    # cost half the penalty
    twice = LogisticRegression(C=20, class_weight="balanced", max_iter=5000).fit(rows, labels)
    assert np.abs(found.probabilities(rows) - twice.predict_proba(rows)).max() < 0.01
    assert (found.probabilities(rows).argmax(1) == theirs.predict(rows)).mean() > 0.97


def test_parts_left_out_are_not_learned_from() -> None:
    rows, labels = clouds(3, 300, 3, 12, 3)
    counts, axes = class_counts(labels, 3, balanced=False), Axes(rows)
    whole = {"strength": 3.0, "axes": axes}
    wrong = np.concatenate([labels[:200], (labels[200:] + 1) % 3])
    one = fit(rows, labels, counts, 3, **whole, parts=[slice(0, 200), slice(300, 300)])
    other = fit(rows, wrong, counts, 3, **whole, parts=[slice(0, 200)])
    assert np.array_equal(one.weights, other.weights), "equal to the bit"


def test_the_neighbours_are_scikit_learns() -> None:
    rows, labels = clouds(4, 200, 3, 12, 3)
    found = predict_knn(rows[:150], labels[:150], rows[150:], 3, k=5)
    near = KNeighborsClassifier(5, metric="cosine", weights=lambda d: 1 - d)
    expected = near.fit(rows[:150], labels[:150]).predict_proba(rows[150:])
    assert found == pytest.approx(expected, abs=1e-5)


def test_the_most_accurate_strength_is_chosen_and_scores_are_of_unseen_images() -> None:
    rows, labels = clouds(5, 240, 3, 40, 5)
    noise = np.random.default_rng(0).permutation(labels)
    parts = assign_folds(labels, np.arange(240), 5)
    found = cross_validate(rows, noise, parts, 3)
    assert found.chosen.accuracy == max(trial.accuracy for trial in found.trials)
    assert found.chosen.accuracy < 0.45, "labels of chance: what was learned by heart is no help"
    assert found.chosen not in found.trials[-2:], "it ends where two in a row are no better"
    assert [trial.strength for trial in found.trials] == list(GRID[: len(found.trials)])
    assert (found.probabilities.argmax(1) == noise).mean() == found.chosen.accuracy
    own = found.probabilities[np.arange(240), noise]
    assert -np.log(own).mean() < found.chosen.log_loss


def test_temperature_makes_confidence_true() -> None:
    rows, labels = clouds(12, 900, 3, 40, 6)
    parts = assign_folds(labels, np.arange(900), 5)
    found = cross_validate(rows, labels, parts, 3, strengths=[0.3])
    assert found.temperature < 0.8, "a strong pull makes unsure"
    own = evaluate(labels, found.probabilities, ["a", "b", "c"], resamples=2)
    right = (found.probabilities.argmax(1) == labels).mean()
    assert found.probabilities.max(1).mean() == pytest.approx(right, abs=0.03)
    assert own.ece.value < 0.06
    cooled = found.mean.at(found.temperature).probabilities(rows)
    plain = found.mean.probabilities(rows)
    assert np.array_equal(cooled.argmax(1), plain.argmax(1))
    powers = plain ** (1 / found.temperature)
    assert cooled == pytest.approx(powers / powers.sum(1, keepdims=True), abs=1e-4)


def test_few_images_tell_no_temperature(tmp_path: Path) -> None:
    rows, labels = clouds(12, 45, 3, 40, 6)
    found = cross_validate(rows, labels, assign_folds(labels, np.arange(45), 5), 3, strengths=[0.3])
    assert found.temperature == 1.0 and "fewer than the 50 and 3" in found.note
    names = [f"class{c}/{i}.jpg" for i, c in enumerate(labels)]
    report = package.train_probe(make_index(tmp_path / "i", rows, names), tmp_path / "probe")
    assert any("45 images were held out" in note for note in report.notes)
    assert read_probe(tmp_path / "probe").temperature == 1.0


def test_few_shots_are_judged_on_others() -> None:
    rows, labels = clouds(6, 300, 3, 24, 3)
    groups = np.arange(300)
    some = few_shot(rows, labels, groups, 3, 5, repeats=4)
    more = few_shot(rows, labels, groups, 3, 40, repeats=4)
    assert some.judged == 300 - 15
    assert some.accuracy.low <= some.accuracy.value <= some.accuracy.high
    assert more.accuracy.value > some.accuracy.value
    with pytest.raises(UsageError, match="expected 101 different pictures"):
        few_shot(rows, labels, groups, 3, 101)
    with pytest.raises(UsageError, match="2 shots or more"):
        few_shot(rows, labels, groups, 3, 1)


def test_suggestions_stand_for_the_doubtful() -> None:
    """Two clouds in doubt, one larger, one cloud without doubt, and an odd picture in doubt."""
    random = np.random.default_rng(0)
    large, small, sure = (
        np.eye(4)[axis] + 0.05 * random.normal(size=(n, 4))
        for axis, n in ((0, 20), (1, 10), (2, 30))
    )
    rows = unit_rows(np.vstack([large, small, sure, [[0, 0, -1, 1]]]))
    doubtful = np.repeat([0.5, 0.5, 0.999, 0.5], [20, 10, 30, 1]).astype(np.float32)
    probabilities = np.stack([doubtful, 1 - doubtful], 1)
    first, second, third = suggest(rows, probabilities, 3).tolist()
    assert first < 20 <= second < 30, "the middle of each, the larger first"
    assert third == 60, "then the odd one"
    assert len(set(suggest(rows, probabilities, 100).tolist())) == 61, "each once"


# The split


@given(
    sizes=st.lists(st.integers(1, 4), min_size=5, max_size=40),
    c=st.integers(1, 4),
    parts=st.integers(2, 5),
    seed=st.integers(0, 99),
)
def test_a_group_is_never_torn(sizes: list[int], c: int, parts: int, seed: int) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = groups % c
    found = assign_folds(labels, groups, parts, seed=seed)
    assert all(len(set(found[groups == g])) == 1 for g in range(len(sizes)))
    for label in range(c):
        own = len(set(groups[labels == label]))
        assert len(set(found[labels == label])) == min(own, parts), "in as many parts as can be"
    assert np.array_equal(found, assign_folds(labels, groups, parts, seed=seed))


def test_parts_have_their_share_of_each_class() -> None:
    labels = np.repeat([0, 1, 2], [100, 50, 25])
    found = assign_folds(labels, np.arange(175), 5)
    table = np.array([[((found == p) & (labels == c)).sum() for c in range(3)] for p in range(5)])
    assert np.array_equal(table, [[20, 10, 5]] * 5)


def test_links_make_groups() -> None:
    groups = linked_groups(np.array([[0, 1], [3, 1], [4, 5]]), 7)
    assert groups[0] == groups[1] == groups[3]
    assert groups[4] == groups[5]
    assert len(set(groups.tolist())) == 4
    assert len(set(linked_groups(np.empty((0, 2), np.int64), 3))) == 3


def test_alike_images_are_of_one_group() -> None:
    rows, labels = clouds(7, 60, 2, 64, 3)
    twins = unit_rows(rows[:10] + 0.01 * clouds(8, 10, 2, 64, 3)[0])
    own = np.concatenate([labels, labels[:10]])
    found = near_duplicate_groups(np.vstack([rows, twins]), own)
    groups = found.groups
    assert found.untold == ()
    assert np.array_equal(groups[:10], groups[60:])
    assert len(set(groups.tolist())) == 60


def test_a_class_of_pictures_alike_by_nature_is_not_one_group() -> None:
    rows, _ = clouds(9, 40, 2, 64, 3)
    same = unit_rows(rows[0] + 0.03 * np.random.default_rng(0).normal(size=(20, 64)))
    assert 0.9 < (same @ same.T).min() < (same @ same.T)[0, 1] < 0.985
    own = np.repeat([0, 1], [40, 20])
    groups = near_duplicate_groups(np.vstack([rows, same]), own).groups
    assert len(set(groups[40:].tolist())) >= 5


def walls(folder: Path, count: int) -> Path:
    """An index of two classes and a third whose images are all one picture to the network."""
    rows, labels = clouds(9, 40, 2, 64, 3)
    same = unit_rows(rows[0] + 0.005 * np.random.default_rng(0).normal(size=(count, 64)))
    assert (same @ same.T).min() > 0.985
    names = [f"class{label}/{i}.jpg" for i, label in enumerate(labels)]
    walls = [f"wall/{i}.jpg" for i in range(count)]
    return make_index(folder, np.vstack([rows, same]), names + walls)


def test_a_class_too_alike_to_tell_copies_is_learned_and_told(tmp_path: Path) -> None:
    index = walls(tmp_path, 30)
    done = embedtool("probe", "train", index, "--out", tmp_path / "probe", "--json")
    assert done.code == 0, done.err
    assert done.err.count("note:") == 1 and "in wall copies cannot be told" in done.err
    said = json.loads(done.out)
    assert said["untold_classes"] == ["wall"]
    recalls = {one["class"]: one["recall"] for one in said["score"]["per_class"]}
    assert recalls["wall"] > 0.9


def test_a_few_copies_of_one_picture_are_no_class(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="class 'wall' has one picture and 7 copies of it"):
        package.train_probe(walls(tmp_path, 8), tmp_path / "probe")


# Labels


def test_labels_are_the_names_of_folders(tmp_path: Path) -> None:
    rows, _ = clouds(0, 4, 2, 8, 1)
    index = make_index(tmp_path, rows, ["b/1.jpg", "a/2.jpg", "b/3.jpg", "ä/4.jpg"])
    with IndexReader(index) as opened:
        found = read_labels(opened)
    assert found.classes == ("a", "b", "ä")
    assert found.labels.tolist() == [1, 0, 1, 2]
    assert found.report.classes == {"a": 1, "b": 2, "ä": 1}
    assert found.report.notes() == []


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_labels_of_a_table(tmp_path: Path, kind: str) -> None:
    rows, _ = clouds(0, 5, 2, 8, 1)
    index = make_index(tmp_path, rows, ["x/1.jpg", 'x/2, "two".jpg', "x/3.jpg", "4.jpg", "5.jpg"])
    (tmp_path / "tables").mkdir()
    table = tmp_path / "tables" / f"labels.{kind}"
    lines = [
        (str(tmp_path / "x" / "1.jpg"), "dog"),  # absolute
        ('../x/2, "two".jpg', "cat, big"),  # relative to the table
        ("x/3.jpg", "dog"),  # relative to the root
        ("4.jpg", "cat, big"),
        ("4.jpg", "dog"),  # two labels
        ("5.jpg", ""),
        ("6.jpg", "dog"),  # no such image
    ]
    if kind == "csv":
        with open(table, "w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("path", "label"))
            writer.writerows(lines)
    else:
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        paths, labels = zip(*lines, strict=True)
        pq.write_table(pa.table({"label": labels, "path": paths}), table)
    with IndexReader(index) as opened:
        found = read_labels(opened, table)
    assert found.classes == ("cat, big", "dog")
    assert found.labels.tolist() == [1, 0, 1, UNLABELLED, UNLABELLED]
    [conflict] = found.report.conflicts
    assert (conflict.paths, conflict.labels) == ((tmp_path / "4.jpg",), ("cat, big", "dog"))
    assert found.report.unmatched == ("6.jpg",)
    assert (found.report.labelled, found.report.classes) == (3, {"cat, big": 1, "dog": 2})
    first, second, third = found.report.notes()
    assert first == "2 of 5 images have no label"
    assert second.startswith("1 pictures have several labels")
    assert third.endswith("the first 6.jpg")


def test_a_table_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    index = make_index(tmp_path, clouds(0, 2, 1, 8, 1)[0], ["1.jpg", "2.jpg"])
    table = tmp_path / "labels.csv"
    table.write_bytes("path,label\n1.jpg,hat\n2.jpg,chapéu\n".encode("latin-1"))
    with IndexReader(index) as opened:
        with pytest.raises(
            EmbedtoolError, match=r"line 3: expected a label in UTF-8, found b'chap"
        ):
            read_labels(opened, table)
        table.write_text("path,label\n1.jpg,hat\n", "utf-16")
        with pytest.raises(EmbedtoolError, match="of CSV in UTF-8, with commas"):
            read_labels(opened, table)
        table.write_bytes(b"")
        with pytest.raises(EmbedtoolError, match="found nothing"):
            read_labels(opened, table)


def test_classes_of_folders_that_are_not_utf_8_go_into_parquet(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    write_table(tmp_path / "t.parquet", ("path", os.fsdecode(b"chap\xe9u")), [("1.jpg", 0.5)])
    assert pq.read_table(tmp_path / "t.parquet").to_pydict() == {
        "path": ["1.jpg"], "chap\N{REPLACEMENT CHARACTER}u": [0.5],
    }  # fmt: skip


def test_copies_with_two_labels_are_a_conflict(tmp_path: Path) -> None:
    save(tmp_path / "photos" / "a" / "1.png", picture(1))
    save(tmp_path / "photos" / "b" / "1.png", picture(1))
    save(tmp_path / "photos" / "b" / "2.png", picture(2))
    index = package.index_photos(
        tmp_path / "photos", index=tmp_path / "index", model="builtin"
    ).index
    with IndexReader(index) as opened:
        found = read_labels(opened)
    assert found.contents.tolist() == [0, 0, 1]
    assert found.labels.tolist() == [UNLABELLED, 0]
    [conflict] = found.report.conflicts
    assert [path.parent.name for path in conflict.paths] == ["a", "b"]
    assert conflict.labels == ("a", "b")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,label\nnowhere.jpg,dog\n", "none of the 1 paths in"),
        ("path,label\n", "gives no image a label"),
        (
            "file,class\n1.jpg,dog\n",
            "columns path and label (of CSV in UTF-8, with commas), found 'file, class'",
        ),
        ("", "expected the columns path and label (of CSV in UTF-8, with commas), found nothing"),
        ("path,label\n1.jpg\n", "line 2: expected a path and a label"),
        ('path,label\n"1.jpg,dog\n', "cannot be read as CSV"),
        ("PAR1 and no more", "cannot be read as Parquet"),
    ],
)
def test_a_table_that_cannot_serve_is_told(tmp_path: Path, text: str, said: str) -> None:
    index = labelled_index(tmp_path / "made", 6)
    (tmp_path / "labels.csv").write_text(text)
    with IndexReader(index) as opened, pytest.raises(EmbedtoolError) as caught:
        read_labels(opened, tmp_path / "labels.csv")
    assert said in str(caught.value)


# Train, predict, evaluate


def test_a_score_that_copies_inflate_and_one_that_they_do_not(tmp_path: Path) -> None:
    """Labels of chance, each picture there three times: who deals files learns them by heart."""
    rows, _ = clouds(10, 150, 3, 64, 4)
    random = np.random.default_rng(0)
    labels = random.integers(3, size=150)
    near = [unit_rows(rows + 0.02 * random.normal(size=rows.shape)) for _ in range(2)]
    names = [f"class{label}/{i}-{copy}.jpg" for copy in range(3) for i, label in enumerate(labels)]
    index = make_index(tmp_path, np.vstack([rows, *near]), names)
    report = package.train_probe(index, tmp_path / "probe", shots=3)
    assert report.alike == 450
    assert report.evaluation.accuracy.value < 0.45, "honest: a third is chance"
    assert report.careless.value > report.evaluation.accuracy.high + 0.1, "inflated"
    assert report.record()["score_without_care"]["accuracy"] == report.careless.value
    assert report.few_shot is not None
    assert report.few_shot.accuracy.value < 0.5


def test_without_copies_care_changes_nothing(tmp_path: Path) -> None:
    report = package.train_probe(labelled_index(tmp_path), tmp_path / "probe")
    assert report.alike == 0
    assert report.careless == report.evaluation.accuracy


def test_a_probe_is_the_same_each_time_and_keeps_what_it_is(tmp_path: Path) -> None:
    index = labelled_index(tmp_path / "made")
    report = package.train_probe(index, tmp_path / "one", seed=3, balanced=True)
    package.train_probe(index, tmp_path / "two", seed=3, balanced=True)
    one, two = read_probe(tmp_path / "one"), read_probe(tmp_path / "two")
    assert np.array_equal(one.solution.weights, two.solution.weights)
    assert np.array_equal(one.solution.bias, two.solution.bias)
    with IndexReader(index) as opened:
        assert one.fingerprint == opened.fingerprint
        assert one.knows(read_labels(opened).digests).all()
    assert (one.classes, one.seed, one.balanced) == (("class0", "class1", "class2"), 3, True)
    assert one.strength == report.strength
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == [
        "probe.json",
        "probe.safetensors",
    ]


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
    by_hand = read_probe(probe).solution.probabilities(rows)
    assert found.probabilities == pytest.approx(by_hand, abs=0.002), "stored as float16"
    unsure = [one for one in found.images if one.label is None]
    assert len(unsure) == found.abstained == (found.probabilities.max(1) < 0.9).sum() > 0
    assert all(one.probability < 0.9 for one in unsure)
    right = [one.likeliest == one.path.parent.name for one in found.images]
    assert sum(right) / 120 > 0.85
    assert len(set(found.suggested)) == 7
    later = {tmp_path / "made" / name for name in names[60:]}
    assert set(found.suggested) <= later, "those learned from need no label"
    package.write_predictions(found, tmp_path / "out.csv")
    with open(tmp_path / "out.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0])[:4] == ["path", "label", "probability", "margin"]
    assert [line["label"] or None for line in lines] == [one.label for one in found.images]
    assert float(lines[5]["p:class1"]) == pytest.approx(found.probabilities[5, 1], abs=1e-6)
    again = package.train_probe(index, tmp_path / "again", labels=tmp_path / "out.csv")
    assert again.labels.labelled == 120 - found.abstained, "what it wrote serves as labels"


def test_an_evaluation_says_what_was_learned_from(tmp_path: Path) -> None:
    index = labelled_index(tmp_path / "made")
    package.train_probe(index, tmp_path / "probe")
    seen = package.evaluate_probe(index, tmp_path / "probe")
    assert seen.seen == 120
    assert any("120 of 120 images were learned from" in note for note in seen.notes())
    rows, labels = clouds(0, 160, 4, 24, 2)
    other = make_index(tmp_path / "new", rows, [f"class{c}/{i}.jpg" for i, c in enumerate(labels)])
    found = package.evaluate_probe(other, tmp_path / "probe")
    assert (found.seen, found.unknown, found.evaluation.n) == (0, {"class3": 40}, 120)
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
    for ask in (package.predict_images, package.evaluate_probe):
        with pytest.raises(ModelMismatch, match=r"embedtool probe train .*other"):
            ask(other, tmp_path / "probe")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a/1.jpg", "a/2.jpg", "a/3.jpg"], "expected images of two classes or more, found 1: 'a'"),
        (["a/1.jpg", "b/2.jpg"], "class 'a' has one picture: expected two or more"),
        (["a/1.jpg", "a/2.jpg", "b/3.jpg"], "class 'b' has one picture: expected two or more"),
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


@pytest.mark.parametrize("name", ["probe.json", "probe.safetensors"])
@pytest.mark.parametrize("damage", ["half", "flip", "gone"])
def test_half_a_probe_is_one_line(tmp_path: Path, name: str, damage: str) -> None:
    index = labelled_index(tmp_path / "made", 30)
    package.train_probe(index, tmp_path / "probe")
    file = tmp_path / "probe" / name
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    else:
        content[len(content) // 2] ^= 1
        file.write_bytes(content[: len(content) // 2] if damage == "half" else content)
    with pytest.raises(EmbedtoolError) as caught:
        package.predict_images(index, tmp_path / "probe")
    assert "embedtool probe train" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_probe_is_not_replaced(tmp_path: Path) -> None:
    index = labelled_index(tmp_path / "made", 30)
    (tmp_path / "photos").mkdir()
    with pytest.raises(EmbedtoolError, match="is no probe"):
        package.train_probe(index, tmp_path / "photos")
    package.train_probe(index, tmp_path / "probe")
    package.train_probe(index, tmp_path / "probe", seed=1)
    assert read_probe(tmp_path / "probe").seed == 1


def test_the_commands_and_their_json(tmp_path: Path) -> None:
    index = labelled_index(tmp_path / "made")
    probe, page = tmp_path / "probe", tmp_path / "page.html"
    trained = embedtool("probe", "train", index, "--out", probe, "--json")
    assert (trained.code, trained.err) == (0, "")
    report = json.loads(trained.out)
    assert report["schema"] == 1
    assert report["labels"]["classes"] == {"class0": 40, "class1": 40, "class2": 40}
    assert report["score"]["n"] == 120
    assert report["score_without_care"]["accuracy"] == report["score"]["accuracy"]
    assert report["neighbours"]["accuracy"] > 0.5
    done = embedtool("probe", "evaluate", index, "--probe", probe, "--html", page, "--json")
    assert done.code == 0, done.err
    evaluation = json.loads(done.out)
    shape = "n classes accuracy accuracy_ci95 macro_precision macro_recall macro_f1 per_class"
    assert set(f"schema {shape} confusion seen".split()) <= set(evaluation)
    assert "120 of 120 images were learned from" in done.err
    assert "FileNotFoundError" in page.read_text(), "no photo is there to show"
    plain = embedtool("probe", "evaluate", index, "--probe", probe, "-q")
    assert plain.out.splitlines()[0] == "images\t120"
    predicted = embedtool("probe", "predict", index, "--probe", probe, "--suggest", 3, "--json")
    said = json.loads(predicted.out)
    assert len(said["predictions"]) == 120
    assert said["suggested"] == [], "all were learned from"
    wrong = embedtool("probe", "predict", index, "--probe", probe, "--abstain-below", 2)
    assert wrong.code == 2
    assert "a probability from 0 to 1" in wrong.err
    other = embedtool("probe", "predict", index, "--probe", index)
    assert other.code == 1
    assert "found no probe.json" in other.err


# The page


def test_the_page_shows_what_was_computed(tmp_path: Path) -> None:
    shot = save(tmp_path / "<b>.jpg", picture(1))
    found = evaluate([0, 0, 1], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]], ["<i>", "b"])
    epochs = [
        {"epoch": 1, "loss": 2.0, "accuracy": 0.5, "validation_loss": None},
        {"epoch": 2, "loss": 1.0, "accuracy": 0.75, "validation_loss": 1.5},
    ]
    mistakes = [
        Mistake(shot, "<i>", "b", 0.8),
        Mistake(tmp_path / "gone.jpg", "<i>", "b", 0.7),
    ]
    page = evaluation_page(found, title="a & b", mistakes=mistakes, curves=epochs, notes=["<note>"])
    assert "<title>a &amp; b</title>" in page
    assert "&lt;note&gt;" in page and "<note>" not in page
    assert "<i>" not in page.replace("<figcaption><i>", ""), "names are text"
    assert "<b>0.667</b>" in page, "the accuracy"
    assert "&lt;i&gt; taken for b: 1 of 2 (50%)" in page
    assert "training, epoch 2: 1.0000" in page and "validation, epoch 2: 1.5000" in page
    assert page.count("data:image/jpeg;base64,") == 1
    assert "FileNotFoundError" in page
    assert "http" not in page.replace("file://", ""), "nothing is fetched"


@pytest.mark.parametrize("width", [400, 1250])
def test_the_page_in_a_browser(tmp_path: Path, width: int, chromium: Page) -> None:
    names = [f"class number {i}" for i in range(12)]
    probabilities = np.random.default_rng(0).dirichlet(np.ones(12), 240)
    found = evaluate(np.arange(240) % 12, probabilities, names, resamples=50)
    mistakes = [
        Mistake(save(tmp_path / f"{i}.jpg", picture(i)), names[0], names[1], 0.9) for i in range(9)
    ]
    file = tmp_path / "page.html"
    package.write_evaluation_page(found, file, title="twelve", mistakes=mistakes)
    with chromium.another() as page:
        page.open(file, width=width)
        page.run("[...document.images].forEach((i) => { i.loading = 'eager' })")
        page.wait("[...document.images].filter((i) => i.naturalWidth).length === 9")
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
        assert page.faults == []
        assert all(url.startswith(("file:", "data:")) for url in page.requests)


def test_two_hundred_classes_fit_on_a_page() -> None:
    names = [f"class {i}" for i in range(200)]
    truth = np.arange(400) % 200
    probabilities = np.full((400, 200), 0.2 / 199)
    probabilities[np.arange(400), (truth + (np.arange(400) < 50)) % 200] = 0.8
    page = evaluation_page(evaluate(truth, probabilities, names, resamples=2), title="many")
    assert 'aria-label="confusion matrix" width="1030"' in page
    assert "class 0 taken for class 1: 1 of 2 (50%)" in page
    assert len(page) < 200_000


def test_the_clothing_photos(clothing: Path, tmp_path: Path) -> None:
    """Full network: at least 0.87 on photos that were not learned from."""
    train = package.index_photos(clothing / "train", index=tmp_path / "train", model="mobilenet_v2")
    others = [clothing / "validation", clothing / "test"]
    test = package.index_photos(others, index=tmp_path / "test", model="mobilenet_v2")
    report = package.train_probe(train.index, tmp_path / "probe")
    found = package.evaluate_probe(test.index, tmp_path / "probe")
    assert found.evaluation.n == 713
    assert found.evaluation.accuracy.value >= 0.87
    assert report.neighbours.value < report.evaluation.accuracy.value
    low, high = report.evaluation.accuracy.low, report.evaluation.accuracy.high
    print(f"held out {found.evaluation.accuracy}, cross-validated {low:.3f} to {high:.3f}")


def test_solutions_are_softmax() -> None:
    solution = Solution(np.eye(2, dtype=np.float32), np.zeros(2, np.float32))
    rows = np.array([[1, 0], [0, 1]], np.float32)
    e = np.e
    assert solution.probabilities(rows) == pytest.approx(
        np.array([[e, 1], [1, e]]) / (e + 1), abs=1e-6
    )
