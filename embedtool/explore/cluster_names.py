"""What clusters are called: by the labels of their images, or by ImageNet classes."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Progress
from embedtool.models.imagenet_head import Head, class_names
from embedtool.store.reader import IndexReader

NAME_SOURCES = ("label", "imagenet")
MOST_CLASSES = 2  # in a name
LEAST_PROBABILITY = 1e-30  # float32 rounds some to 0, which has no logarithm
SECOND_CLASS_SHARE = 0.5  # of the divergence of the first class, what a second one needs
Labels = npt.NDArray[np.int32]  # (n,), of each vector by id, -1 for noise


def names_by_label(own: Sequence[Sequence[str]], labels: Labels, count: int) -> tuple[str, ...]:
    """The label that half the images of a cluster have, or its two most frequent; own: of each
    vector, the labels of its images."""
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
    """The classes that are over-represented in each cluster.

    With the mean probability p of a class in the cluster and q in the whole index, its part of the
    divergence of the cluster from the index is p log(p / q) (Kullback and Leibler, On Information
    and Sufficiency, 1951): high where the class is both frequent here and rarer elsewhere.
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
        q = whole / done if size < done else 1 / len(classes)  # all in one: nothing to stand out of
        divergence = p * np.log(np.maximum(p, LEAST_PROBABILITY) / np.maximum(q, LEAST_PROBABILITY))
        best = np.argsort(-divergence)[:MOST_CLASSES]
        least = SECOND_CLASS_SHARE * divergence[best[0]]
        names.append(", ".join(classes[c] for c in best if divergence[c] >= least))
    return _numbered(names)


def _numbered(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, with a number after those that came before."""
    taken: Counter[str] = Counter()
    found = []
    for name in names:
        taken[name] += 1
        found.append(name if taken[name] == 1 else f"{name} {taken[name]}")
    return tuple(found)
