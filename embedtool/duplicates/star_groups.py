"""Groups out of pairs, none of them a chain: every member has been compared with the one kept."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

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
    for chain in _chains(links, len(rank)):
        left = chain[np.argsort(rank[chain])]
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


def _chains(links: Items, count: int) -> list[Items]:
    """The items (m,) of each connected part that has a link, by its least item."""
    above = np.arange(count)

    def top(item: int) -> int:
        while above[item] != item:
            above[item] = above[above[item]]
            item = int(above[item])
        return item

    for one, other in links.tolist():
        one, other = top(one), top(other)
        above[max(one, other)] = min(one, other)
    items = np.unique(links)
    tops = np.array([top(item) for item in items.tolist()], np.int64)
    grouped = np.argsort(tops, kind="stable")
    cuts = np.flatnonzero(np.diff(tops[grouped])) + 1
    return np.split(items[grouped], cuts) if items.size else []
