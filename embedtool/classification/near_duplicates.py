"""Find near-duplicates by their vectors. On both sides of a split they would cause leakage."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedtool.classification.splits import Numbers
from embedtool.core.connected_components import connected_components
from embedtool.core.types import Progress, Vectors
from embedtool.search.exact import nearest

# Two images are near-duplicates if their distance (1 - cosine) is at most this share of the mean
# distance in the collection. Measured on 60 clothing photos with mobilenet_v2 (with builtin), 0.15
# links a photo to its copy for all (all) re-encoded at quality 40, for 0.9 (all) at half size and
# for 0.8 (0.9) cropped by 5 % a side. It also links 0.5 % (22 %) of the other photos to each other,
# which does a split no harm. At 0.25 chains grow: 24 (1,488) photos of 3,068 are one group.
DISTANCE_SHARE = 0.15
CERTAIN_COSINE = 0.985  # no two different clothing photos reach it, with either network
NEIGHBOURS = 8  # compared with each image
BLOCK_ROWS = 1024  # images compared at a time
MIN_GROUPS = 5  # a class must have this many groups left, if it has as many images
MAX_GROUP, MAX_GROUP_SHARE = 10, 0.5  # a group above both is too large to be one picture


@dataclass(frozen=True)
class NearDuplicates:
    """The near-duplicates among n images.

    groups: (n,), the group of each image. pairs: (p, 2), the pairs that are near-duplicates
    directly, not through others. ungrouped_classes: the classes whose images are so similar that
    near-duplicates cannot be identified. Their images are not grouped, so their score may be too
    high.
    """

    groups: Numbers
    pairs: Numbers
    ungrouped_classes: tuple[int, ...]

    def notes(self, classes: Sequence[str]) -> list[str]:
        if not self.ungrouped_classes:
            return []
        names = ", ".join(classes[c] for c in self.ungrouped_classes)
        return [
            f"the images of {names} are too similar to identify near-duplicates: all of them "
            "count as different images, and the score may be too high"
        ]


def near_duplicate_groups(
    rows: Vectors, labels: Numbers, *, progress: Progress | None = None
) -> NearDuplicates:
    """Find the near-duplicates among n images by their unit rows (n, d) and classes (n,).

    Compares the vectors, not the photos. If a class would have too few groups for a split, or if
    most of it is one group, its pictures are similar by nature. Then only pairs of at least
    CERTAIN_COSINE are grouped, and if most of the class is still one group, none are.
    """
    mean = rows.mean(0, dtype=np.float64)
    min_cosine = min(1 - DISTANCE_SHARE * (1 - float(mean @ mean)), CERTAIN_COSINE)
    numbers = np.arange(len(rows))
    links, cosines = [np.empty((0, 2), np.int64)], [np.empty(0, np.float32)]
    for start in range(0, len(rows), BLOCK_ROWS):
        queries = rows[start : start + BLOCK_ROWS]
        near, other = nearest(queries, [(numbers, rows)], min(NEIGHBOURS + 1, len(rows)))
        one = np.broadcast_to(start + np.arange(len(other))[:, None], other.shape)
        good = (near >= min_cosine) & (one != other)
        links.append(np.stack([one[good], other[good]], 1))
        cosines.append(near[good])
        if progress:
            done = min(start + BLOCK_ROWS, len(rows))
            progress(done, len(rows), stage="comparing images")
    pairs, cosine = np.concatenate(links), np.concatenate(cosines)
    groups = connected_components(pairs, len(rows))
    sizes = np.bincount(labels)
    left = np.array([np.unique(groups[labels == c]).size for c in range(len(sizes))])
    crowded = (left < np.minimum(sizes, MIN_GROUPS)) | _dominated_by_one_group(groups, labels)
    kept = (cosine >= CERTAIN_COSINE) | ~crowded[labels[pairs]].any(1)
    ungrouped = _dominated_by_one_group(connected_components(pairs[kept], len(rows)), labels)
    kept &= ~ungrouped[labels[pairs]].any(1)
    groups = connected_components(pairs[kept], len(rows))
    return NearDuplicates(groups, pairs[kept], tuple(np.flatnonzero(ungrouped).tolist()))


def _dominated_by_one_group(groups: Numbers, labels: Numbers) -> npt.NDArray[np.bool_]:
    """Return whether one group has so many images of a class (c,) that it cannot be one picture."""
    sizes = np.bincount(labels)
    largest = np.array([np.bincount(groups[labels == c]).max(initial=0) for c in range(len(sizes))])
    return (largest > MAX_GROUP) & (largest > MAX_GROUP_SHARE * sizes)
