"""Which images are so alike that one gives the other away: they belong on one side of a split."""

import numpy as np

from embedtool.search import open_searcher
from embedtool.splits import Numbers, linked_groups
from embedtool.store import Index
from embedtool.types import Progress, Vectors

# Share of the mean distance (1 - cosine) of two images of the collection below which two are alike.
# Of 60 clothing photos, at 0.15 with mobilenet_v2 (builtin), this links to their copy all that are
# re-encoded at quality 40 (all), 0.9 (all) of those at half size, 0.8 (0.9) of those cropped by 5 %
# a side, and 0.5 % (22 %) of the other photos to each other, which costs a split nothing. At 0.25
# chains grow: 24 (1,488) photos of 3,068 are one group.
ALIKE = 0.15
CERTAIN = 0.985  # cosine that no two different clothing photos reach, with either network
NEIGHBOURS = 8  # looked at for each image
FEWEST = 5  # groups that a class is left with, where it has as many images


def alike_groups(
    index: Index,
    vectors: Numbers,
    rows: Vectors,
    labels: Numbers,
    *,
    progress: Progress | None = None,
) -> Numbers:
    """The group (n,) of each of n contents of an index, those alike in one.

    vectors (n,) are their ids, ascending, rows (n, d) their unit rows, labels (n,) their classes.
    It asks the vectors, not the photos. A class that would be left with too few groups to be dealt
    out is one of pictures much alike by nature: in it only what is almost certainly one picture
    stays together.
    """
    mean = rows.mean(0, dtype=np.float64)
    least = 1 - ALIKE * (1 - float(mean @ mean))
    searcher = open_searcher(index)
    pairs, cosines = [np.empty((0, 2), np.int64)], [np.empty(0, np.float32)]
    for start in range(0, len(rows), 1024):
        near, ids = searcher.nearest(rows[start : start + 1024], NEIGHBOURS + 1)
        other = np.searchsorted(vectors, ids).clip(max=len(vectors) - 1)
        one = np.broadcast_to(start + np.arange(len(ids))[:, None], ids.shape)
        good = (near >= min(least, CERTAIN)) & (vectors[other] == ids) & (one != other)
        pairs.append(np.stack([one[good], other[good]], 1))
        cosines.append(near[good])
        if progress:
            progress(min(start + 1024, len(rows)), len(rows), 0, "comparing images")
    links, cosine = np.concatenate(pairs), np.concatenate(cosines)
    groups = linked_groups(links, len(rows))
    sizes = np.bincount(labels)
    left = np.array([np.unique(groups[labels == c]).size for c in range(len(sizes))])
    crowded = left < np.minimum(sizes, FEWEST)
    kept = (cosine >= CERTAIN) | ~crowded[labels[links]].any(1)
    return linked_groups(links[kept], len(rows))
