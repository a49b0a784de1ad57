"""Near-duplicates by vectors, and classes in which they cannot be found."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.command import embedtool_here as embedtool
from support.labelled import clouds, make_index

import embedtool as package
from embedtool.classification.near_duplicates import near_duplicate_groups
from embedtool.core.types import unit_rows
from embedtool.errors import UsageError


def test_near_duplicates_are_in_one_group() -> None:
    rows, labels = clouds(7, 60, 2, 64, 3)
    twins = unit_rows(rows[:10] + 0.01 * clouds(8, 10, 2, 64, 3)[0])
    own = np.concatenate([labels, labels[:10]])
    found = near_duplicate_groups(np.vstack([rows, twins]), own)
    groups = found.groups
    assert found.ungrouped_classes == ()
    assert np.array_equal(groups[:10], groups[60:])
    assert len(set(groups.tolist())) == 60


def test_a_class_of_similar_pictures_is_not_one_group() -> None:
    rows, _ = clouds(9, 40, 2, 64, 3)
    same = unit_rows(rows[0] + 0.03 * np.random.default_rng(0).normal(size=(20, 64)))
    assert 0.9 < (same @ same.T).min() < (same @ same.T)[0, 1] < 0.985
    own = np.repeat([0, 1], [40, 20])
    groups = near_duplicate_groups(np.vstack([rows, same]), own).groups
    assert len(set(groups[40:].tolist())) >= 5


def index_with_a_uniform_class(folder: Path, count: int) -> Path:
    """An index of two classes and a third whose images are all one picture to the network."""
    rows, labels = clouds(9, 40, 2, 64, 3)
    same = unit_rows(rows[0] + 0.005 * np.random.default_rng(0).normal(size=(count, 64)))
    assert (same @ same.T).min() > 0.985
    names = [f"class{label}/{i}.jpg" for i, label in enumerate(labels)]
    names += [f"wall/{i}.jpg" for i in range(count)]
    return make_index(folder, np.vstack([rows, same]), names)


def test_a_class_too_uniform_to_find_copies_is_trained_and_noted(tmp_path: Path) -> None:
    index = index_with_a_uniform_class(tmp_path, 30)
    done = embedtool("probe", "train", index, "--out", tmp_path / "probe", "--json")
    assert done.code == 0, done.err
    assert done.err.count("note:") == 1 and "the images of wall are too similar" in done.err
    said = json.loads(done.out)
    assert said["ungrouped_classes"] == ["wall"]
    recalls = {one["class"]: one["recall"] for one in said["score"]["per_class"]}
    assert recalls["wall"] > 0.9


def test_a_few_copies_of_one_picture_are_no_class(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"class 'wall' has only one \(and 7 copies of it\)"):
        package.train_probe(index_with_a_uniform_class(tmp_path, 8), tmp_path / "probe")
