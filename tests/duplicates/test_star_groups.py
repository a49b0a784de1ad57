"""Star groups: every member is near its hub, and a chain is no group."""

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from embedtool.duplicates.star_groups import Items, star_groups


@given(st.lists(st.integers(0, 30), min_size=2, max_size=20, unique=True), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_every_member_is_near_its_hub_and_in_one_group(values: list[int], reach: int) -> None:
    places = np.array(values)
    near = np.abs(places[:, None] - places) <= reach
    one, other = np.nonzero(np.triu(near, 1))
    links = np.stack([one, other], 1).astype(np.int64)
    rank = np.arange(len(values))
    groups = star_groups(links, rank, lambda hub, others: near[hub, others])
    members = [int(item) for group in groups for item in group]
    assert len(members) == len(set(members))
    for hub, *others in (group.tolist() for group in groups):
        assert others and near[hub, others].all() and hub < min(others), "the best is the hub"
    alone = set(range(len(values))) - set(members)
    assert not any(near[a, b] for a in alone for b in alone if a != b)


def near_on_a_line(reach: int) -> Callable[[int, Items], np.ndarray]:
    return lambda hub, others: np.abs(others - hub) <= reach


def test_a_chain_does_not_become_one_group() -> None:
    links = np.stack([np.arange(99), np.arange(1, 100)], 1)
    groups = star_groups(links, np.arange(100), near_on_a_line(2))
    assert [g.tolist() for g in groups[:2]] == [[0, 1, 2], [3, 4, 5]]
    assert [len(g) for g in groups] == [3] * 33  # 99 is left by itself


def test_the_best_is_the_hub() -> None:
    groups = star_groups(np.array([[0, 1], [1, 2]]), np.array([2, 0, 1]), near_on_a_line(1))
    assert [g.tolist() for g in groups] == [[1, 2, 0]]


def test_anchors_alone_are_hubs_and_never_members() -> None:
    links = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [6, 7]])
    rank = np.array([2, 0, 1, 3, 4, 5, 6, 7])
    groups = star_groups(links, rank, near_on_a_line(1), anchors=np.array([1, 2]))
    assert [g.tolist() for g in groups] == [[1, 0], [2, 3]]
