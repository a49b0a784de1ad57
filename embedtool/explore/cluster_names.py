"""Name clusters by the labels of their images or by ImageNet classes."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Progress
from embedtool.models.imagenet_head import Head, class_names
from embedtool.store.reader import IndexReader

NAME_SOURCES = ("label", "imagenet")
MOST_CLASSES = 2  # in a name
LEAST_PROBABILITY = 1e-30  # float32 rounds some probabilities to 0, which has no logarithm
SECOND_CLASS_SHARE = 0.5  # a second class needs this share of the divergence of the first
Labels = npt.NDArray[np.int32]  # (n,), one for each vector in the order of ids, -1 for noise


def names_by_label(own: Sequence[Sequence[str]], labels: Labels, count: int) -> tuple[str, ...]:
    """Name each cluster by the label that at least half of its images have, or by its two most
    frequent labels. own: the labels of the images of each vector."""
    tallies: list[Counter[str]] = [Counter() for _ in range(count)]
    for words, label in zip(own, labels.tolist(), strict=True):
        if label >= 0:
            tallies[label].update(words)
    names = []
    for tally in tallies:
        frequent = tally.most_common(2)
        words = [word for word, _ in frequent]
        names.append(words[0] if frequent[0][1] * 2 >= tally.total() else " and ".join(words))
    return _numbered(names)


def names_by_class(
    index: IndexReader, head: Head, labels: Labels, count: int, *, progress: Progress | None = None
) -> tuple[str, ...]:
    """Name each cluster by the ImageNet classes that are over-represented in it.

    If p is the mean probability of a class in the cluster and q in the whole index, the class
    contributes p log(p / q) to the divergence of the cluster from the index (Kullback and Leibler,
    On Information and Sufficiency, 1951). This is high if the class is frequent in the cluster and
    rarer elsewhere.
    """
    classes = class_names()
    sums, sizes = np.zeros((count, len(classes))), np.bincount(labels + 1, minlength=count + 1)[1:]
    whole = np.zeros(len(classes))
    done = 0
    for ids, rows in index.blocks_at(index.places_after(0)):
        probabilities = head.probabilities(rows)
        own = labels[done : done + len(ids)]
        np.add.at(sums, own[own >= 0], probabilities[own >= 0])
        whole += probabilities.sum(0, dtype=np.float64)
        done += len(ids)
        if progress:
            progress(done, len(labels), stage="naming clusters")
    names = []
    for p, size in zip(sums / sizes[:, None], sizes.tolist(), strict=True):
        q = whole / done if size < done else 1 / len(classes)  # one cluster: nothing to compare
        divergence = p * np.log(np.maximum(p, LEAST_PROBABILITY) / np.maximum(q, LEAST_PROBABILITY))
        best = np.argsort(-divergence)[:MOST_CLASSES]
        least = SECOND_CLASS_SHARE * divergence[best[0]]
        names.append(", ".join(classes[c] for c in best if divergence[c] >= least))
    return _numbered(names)


def _numbered(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names with a number after each repeated one."""
    taken: Counter[str] = Counter()
    found = []
    for name in names:
        taken[name] += 1
        found.append(name if taken[name] == 1 else f"{name} {taken[name]}")
    return tuple(found)
