"""Group pairs into stars rather than chains: every member is compared with the kept item."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from embedtool.core.connected_components import connected_components

Items = npt.NDArray[np.int64]
Near = Callable[[int, Items], npt.NDArray[np.bool_]]  # one item, others (n,) -> which are near it


def star_groups(
    links: Items, rank: Items, near: Near, *, anchors: Items | None = None
) -> list[Items]:
    """Return groups [hub, members...] of linked items. The best item of each group is its hub.

    links: pairs (p, 2) of near items; rank: the rank (n,) of each item, 0 the best. The ends of a
    chain of links may have nothing in common. So, from the best item on, each becomes the hub of
    the remaining items of its component that are near the hub itself, and the others remain for
    the next hubs. An item is in at most one group. With anchors, only those are hubs, and none of
    them is a member.
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
            members = left[near(hub, left)]
            taken.update(members.tolist())
            left = left[~np.isin(left, members)]
            if members.size:
                groups.append(np.concatenate([[hub], members]))
    return groups


def _components(links: Items, count: int) -> list[Items]:
    """Return the items (m,) of each component that has a link, ordered by its lowest item."""
    items = np.unique(links)
    components = connected_components(links, count)[items]
    order = np.argsort(components, kind="stable")
    cuts = np.flatnonzero(np.diff(components[order])) + 1
    return np.split(items[order], cuts) if items.size else []
