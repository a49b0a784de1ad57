"""Decide what proposed pairs show, with few comparisons where many items show one picture.

The search proposes 8 pairs for each item. If 50,000 items are re-encodings of one picture, most of
these pairs are redundant: once comparisons have linked two items, the pair of them is not compared
any more, and counts as unedited. No group depends on that, because each member of a group is
compared with the kept item.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from embedtool.core.connected_components import connected_components, spanning_forest
from embedtool.core.types import Progress
from embedtool.duplicates.picture_pairs import (
    SAME_PICTURE_COSINE,
    UNEDITED,
    Items,
    Pairs,
    PicturePairs,
)

# From this size on, a group of items whose vectors are almost equal is compared with one of them
# first. This is the one to keep, if nothing speaks against it, and then no comparison is wasted.
LARGE = 100


def relations_of(
    pairs: Pairs,
    cosines: npt.NDArray[np.float32],
    pictures: PicturePairs,
    first_of: Callable[[Items], int],
    progress: Progress | None,
) -> npt.NDArray[np.int8]:
    """Return what each pair (p, 2) shows (p,): DIFFERENT, EDITED or UNEDITED.

    cosines: (p,). first_of: a function that returns which of some items is probably kept.
    """
    count = pictures.count
    found = np.full(len(pairs), -1, np.int8)
    stars = [np.empty((0, 2), np.int64)]
    for hub, others in _large_groups(pairs[cosines >= SAME_PICTURE_COSINE], count, first_of):
        pictures.find_copies(hub, others, progress)
        stars.append(np.stack([np.full_like(others, hub), others], 1))
    links = np.concatenate(stars)
    links = links[pictures.unedited(links, progress)]
    left = np.arange(len(pairs))
    while left.size:
        ends = connected_components(links, count)[pairs[left]]
        linked = ends[:, 0] == ends[:, 1]
        found[left[linked]] = UNEDITED
        left, ends = left[~linked], ends[~linked]
        now = spanning_forest(ends, count)
        compared = left[now]
        found[compared] = pictures.relations(pairs[compared], progress)
        links = np.concatenate([links, pairs[compared[found[compared] == UNEDITED]]])
        left = np.delete(left, now)
    return found


def _large_groups(
    likely: Pairs, count: int, first_of: Callable[[Items], int]
) -> Iterator[tuple[int, Items]]:
    """Yield one item of each large group that these pairs link, and the others."""
    items = np.unique(likely)
    groups = connected_components(likely, count)[items]
    order = np.argsort(groups, kind="stable")
    for group in np.split(items[order], np.flatnonzero(np.diff(groups[order])) + 1):
        if len(group) >= LARGE:
            hub = first_of(group)
            yield hub, group[group != hub]
