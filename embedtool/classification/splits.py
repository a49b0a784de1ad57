"""Who is learned from and who is judged: parts in which every class has its share, and no picture
stands on both sides."""

from collections import Counter

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Numbers = npt.NDArray[np.int64]


def linked_groups(links: Numbers, count: int) -> Numbers:
    """The group (n,) of each of n items, linked ones in one; links (p, 2) are pairs of items."""
    ones = np.ones(len(links), np.int8)
    graph = coo_matrix((ones, (links[:, 0], links[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def assign_folds(labels: Numbers, groups: Numbers, parts: int, *, seed: int = 0) -> Numbers:
    """The part (n,), 0 to parts - 1, of each of n items, a group in one part.

    Groups are dealt out in random order, the larger first, each to the part that has the fewest
    items of its classes, of equal ones the fewest items. Every class with as many groups as there
    are parts is in all of them, and parts differ by a group.
    """
    random = np.random.default_rng(seed)
    members: dict[int, Counter[int]] = {}
    for group, label in zip(groups.tolist(), labels.tolist(), strict=True):
        members.setdefault(group, Counter())[label] += 1
    names = list(members)
    order = [names[i] for i in random.permutation(len(names))]
    order.sort(key=lambda group: -members[group].total())  # stable: random among equals
    held = [Counter[int]() for _ in range(parts)]
    sizes = [0] * parts
    part_of = {}
    for group in order:
        own = members[group]
        part = min(range(parts), key=lambda p: (sum(held[p][c] for c in own), sizes[p]))
        part_of[group] = part
        held[part].update(own)
        sizes[part] += own.total()
    return np.array([part_of[group] for group in groups.tolist()], np.int64)
