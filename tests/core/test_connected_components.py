"""Groups of linked items."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from embedtool.core.connected_components import connected_components, spanning_forest


def test_links_make_groups() -> None:
    groups = connected_components(np.array([[0, 1], [3, 1], [4, 5]]), 7)
    assert groups[0] == groups[1] == groups[3]
    assert groups[4] == groups[5]
    assert len(set(groups.tolist())) == 4
    assert len(set(connected_components(np.empty((0, 2), np.int64), 3))) == 3


def test_a_spanning_forest_has_the_first_links_that_are_enough() -> None:
    links = np.array([[1, 0], [0, 1], [1, 2], [2, 0], [4, 5], [5, 4]])
    assert spanning_forest(links, 7).tolist() == [0, 2, 4]
    assert spanning_forest(np.empty((0, 2), np.int64), 3).tolist() == []


@given(st.integers(1, 12), st.data())
def test_a_spanning_forest_connects_the_same_without_a_cycle(n: int, data: st.DataObject) -> None:
    item = st.integers(0, n - 1)
    pairs = data.draw(st.lists(st.tuples(item, item).filter(lambda p: p[0] != p[1]), max_size=40))
    links = np.array(pairs, np.int64).reshape(-1, 2)
    forest = links[spanning_forest(links, n)]
    expected = connected_components(links, n)
    assert connected_components(forest, n).tolist() == expected.tolist()
    assert len(forest) == n - len(set(expected.tolist()))
