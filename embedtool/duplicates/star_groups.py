"""Groups out of pairs, none of them a chain: every member has been compared with the one kept."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from embedtool.core.connected_components import connected_components

Items = npt.NDArray[np.int64]
Near = Callable[[int, Items], npt.NDArray[np.bool_]]  # one item, others (n,) -> which are near it


def star_groups(
    links: Items, rank: Items, near: Near, *, anchors: Items | None = None
) -> list[Items]:
    """Groups [hub, members...] of linked items, the best item of each as its hub.

    links (p, 2) are pairs that are near; rank (n,) has each item's place, 0 the best. Linked items
    form a chain in which the ends may have nothing in common. So, best first, an item becomes the
    hub of those left of its chain that are near it by themselves, and what is not goes on without
    it. An item is in one group at most. With anchors, those alone are hubs, and none is a member.
    """
    fixed = np.zeros(len(rank), np.bool_)
    if anchors is not None:
        fixed[anchors] = True
    groups = []
    for component in _components(links, len(rank)):
        left = component[np.argsort(rank[component])]
        hubs = left[fixed[left]] if anchors is not None else left
        left = left[~fixed[left]]
        taken: set[int] = set()
        for hub in hubs.tolist():
            if hub in taken:
                continue
            left = left[left != hub]
            if not left.size:
                break
            members = left[near(hub, left)]
            taken.update(members.tolist())
            left = left[~np.isin(left, members)]
            if members.size:
                groups.append(np.concatenate([[hub], members]))
    return groups


def _components(links: Items, count: int) -> list[Items]:
    """Return the items (m,) of each component that has a link, by its least item."""
    items = np.unique(links)
    components = connected_components(links, count)[items]
    order = np.argsort(components, kind="stable")
    cuts = np.flatnonzero(np.diff(components[order])) + 1
    return np.split(items[order], cuts) if items.size else []
