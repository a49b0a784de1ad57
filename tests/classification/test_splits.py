"""Folds: stratified, and near-duplicates in one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from embedtool.classification.splits import assign_folds


@given(
    sizes=st.lists(st.integers(1, 4), min_size=5, max_size=40),
    c=st.integers(1, 4),
    folds=st.integers(2, 5),
    seed=st.integers(0, 99),
)
def test_a_group_is_in_one_fold(sizes: list[int], c: int, folds: int, seed: int) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = groups % c
    found = assign_folds(labels, groups, folds, seed=seed)
    assert all(len(set(found[groups == g])) == 1 for g in range(len(sizes)))
    for label in range(c):
        own = len(set(groups[labels == label]))
        assert len(set(found[labels == label])) == min(own, folds), "in as many folds as can be"
    assert np.array_equal(found, assign_folds(labels, groups, folds, seed=seed))


def test_folds_are_stratified() -> None:
    labels = np.repeat([0, 1, 2], [100, 50, 25])
    found = assign_folds(labels, np.arange(175), 5)
    table = np.array([[((found == f) & (labels == c)).sum() for c in range(3)] for f in range(5)])
    assert np.array_equal(table, [[20, 10, 5]] * 5)
