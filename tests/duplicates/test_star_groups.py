"""Star groups: every member is near its hub, and a chain is no group."""

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from embedtool.duplicates.star_groups import Items, _components, star_groups


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


@given(st.data())
@settings(max_examples=80)
def test_groups_are_those_of_a_greedy_search(data: st.DataObject) -> None:
    """Each item, the best first, takes all that are near it and are left. With anchors, only those
    take others, and nobody takes them."""
    places = data.draw(st.lists(st.integers(0, 30), min_size=2, max_size=16, unique=True))
    rank = data.draw(st.permutations(range(len(places))))
    anchors = data.draw(st.none() | st.lists(st.sampled_from(range(len(places))), unique=True))
    near = np.abs(np.subtract.outer(places, places)) <= data.draw(st.integers(1, 6))
    left, expected = sorted(range(len(places)), key=rank.__getitem__), []
    for hub in [item for item in left if anchors is None or item in anchors]:
        if hub in left:
            left.remove(hub)
            members = [n for n in left if near[hub, n] and n not in (anchors or ())]
            left = [n for n in left if n not in members]
            expected += [[hub, *members]] if members else []
    links = np.argwhere(np.triu(near, 1))
    groups = star_groups(
        links,
        np.array(rank),
        lambda hub, others: near[hub, others],
        anchors=None if anchors is None else np.array(anchors, np.int64),
    )
    assert sorted(group.tolist() for group in groups) == sorted(expected)


def test_near_items_of_two_components_are_not_grouped() -> None:
    links = np.array([[4, 5], [0, 3], [3, 1]])
    groups = star_groups(links, np.arange(7), near_on_a_line(9))
    assert [g.tolist() for g in groups] == [[0, 1, 3], [4, 5]]


def test_without_links_there_are_no_groups() -> None:
    assert star_groups(np.empty((0, 2), np.int64), np.arange(3), near_on_a_line(9)) == []


def test_components_have_links_and_come_by_their_lowest_item() -> None:
    links = np.array([[8, 2], [5, 1], [9, 8], [6, 5], [3, 4]])
    found = _components(links, 11)
    assert [items.tolist() for items in found] == [[1, 5, 6], [2, 8, 9], [3, 4]]
