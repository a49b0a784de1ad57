"""Groups of linked items."""

import numpy as np

from embedtool.core.connected_components import connected_components


def test_links_make_groups() -> None:
    groups = connected_components(np.array([[0, 1], [3, 1], [4, 5]]), 7)
    assert groups[0] == groups[1] == groups[3]
    assert groups[4] == groups[5]
    assert len(set(groups.tolist())) == 4
    assert len(set(connected_components(np.empty((0, 2), np.int64), 3))) == 3
