"""Which images are so alike that one gives the other away: they belong on one side of a split."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedtool.classification.splits import Numbers, linked_groups
from embedtool.core.types import Progress, Vectors
from embedtool.search import nearest

# Share of the mean distance (1 - cosine) of two images of the collection below which two are alike.
# Of 60 clothing photos, at 0.15 with mobilenet_v2 (builtin), this links to their copy all that are
# re-encoded at quality 40 (all), 0.9 (all) of those at half size, 0.8 (0.9) of those cropped by 5 %
# a side, and 0.5 % (22 %) of the other photos to each other, which costs a split nothing. At 0.25
# chains grow: 24 (1,488) photos of 3,068 are one group.
ALIKE = 0.15
CERTAIN = 0.985  # cosine that no two different clothing photos reach, with either network
NEIGHBOURS = 8  # looked at for each image
TOGETHER = 1024  # compared at a time
FEWEST = 5  # groups that a class is left with, where it has as many images
MANY, SHARE = 10, 0.5  # a group of more images than this, and more of its class, is no one picture


@dataclass(frozen=True)
class NearDuplicates:
    """groups: (n,), images that are alike in one. pairs: (p, 2), those that are alike themselves,
    not by way of others. untold: the classes whose images are so alike
    that copies cannot be told from others: in them no image is kept with another, and their score
    may be too high."""

    groups: Numbers
    pairs: Numbers
    untold: tuple[int, ...]

    def notes(self, classes: Sequence[str]) -> list[str]:
        if not self.untold:
            return []
        names = ", ".join(classes[c] for c in self.untold)
        return [
            f"in {names} copies cannot be told from other images, for all are so alike: there they "
            "count as different images, and the score may be too high"
        ]


def near_duplicate_groups(
    rows: Vectors, labels: Numbers, *, progress: Progress | None = None
) -> NearDuplicates:
    """Which of n images are alike, by their unit rows (n, d) and classes (n,).

    It asks the vectors, not the photos. A class that would be left with too few groups to be dealt
    out, or most of which is one group, is one of pictures much alike by nature: in it only what is
    almost certainly one picture stays together, and where that is most of it still, nothing.
    """
    mean = rows.mean(0, dtype=np.float64)
    least = min(1 - ALIKE * (1 - float(mean @ mean)), CERTAIN)
    numbers = np.arange(len(rows))
    links, cosines = [np.empty((0, 2), np.int64)], [np.empty(0, np.float32)]
    for start in range(0, len(rows), TOGETHER):
        queries = rows[start : start + TOGETHER]
        near, other = nearest(queries, [(numbers, rows)], min(NEIGHBOURS + 1, len(rows)))
        one = np.broadcast_to(start + np.arange(len(other))[:, None], other.shape)
        good = (near >= least) & (one != other)
        links.append(np.stack([one[good], other[good]], 1))
        cosines.append(near[good])
        if progress:
            progress(min(start + TOGETHER, len(rows)), len(rows), 0, "comparing images")
    pairs, cosine = np.concatenate(links), np.concatenate(cosines)
    groups = linked_groups(pairs, len(rows))
    sizes = np.bincount(labels)
    left = np.array([np.unique(groups[labels == c]).size for c in range(len(sizes))])
    crowded = (left < np.minimum(sizes, FEWEST)) | _mostly_one(groups, labels)
    kept = (cosine >= CERTAIN) | ~crowded[labels[pairs]].any(1)
    untold = _mostly_one(linked_groups(pairs[kept], len(rows)), labels)
    kept &= ~untold[labels[pairs]].any(1)
    groups = linked_groups(pairs[kept], len(rows))
    return NearDuplicates(groups, pairs[kept], tuple(np.flatnonzero(untold).tolist()))


def _mostly_one(groups: Numbers, labels: Numbers) -> npt.NDArray[np.bool_]:
    """Whether one group holds so many images of a class (c,) that it cannot be one picture."""
    sizes = np.bincount(labels)
    largest = np.array([np.bincount(groups[labels == c]).max(initial=0) for c in range(len(sizes))])
    return (largest > MANY) & (largest > SHARE * sizes)
