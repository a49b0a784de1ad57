"""What clusters are called: by the labels of their images, or by ImageNet classes."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Progress
from embedtool.models.imagenet_head import Head, class_names
from embedtool.store.reader import IndexReader

WAYS = ("label", "imagenet")
MOST_CLASSES = 2  # in a name
LEAST = 1e-30  # a probability that float32 has rounded to 0 has a logarithm all the same
TELLING = 0.5  # of what the first class of a name tells, what a second one must
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
        told = tally.most_common(2)
        words = [word for word, _ in told]
        names.append(words[0] if told[0][1] * 2 >= tally.total() else " and ".join(words))
    return _apart(names)


def names_by_class(
    index: IndexReader, head: Head, labels: Labels, count: int, *, progress: Progress | None = None
) -> tuple[str, ...]:
    """The classes that are over-represented in each cluster.

    With the mean probability p of a class in the cluster and q in the whole index, a class tells
    p log(p / q): its part of the divergence of the cluster from the index (Kullback and Leibler, On
    Information and Sufficiency, 1951), high where it is both frequent here and rarer elsewhere.
    """
    classes = class_names()
    sums, sizes = np.zeros((count, len(classes))), np.bincount(labels + 1, minlength=count + 1)[1:]
    whole = np.zeros(len(classes))
    done = 0
    for ids, rows in index.blocks_at(index.places_after(0)):
        likely = head.probabilities(rows)
        own = labels[done : done + len(ids)]
        np.add.at(sums, own[own >= 0], likely[own >= 0])
        whole += likely.sum(0, dtype=np.float64)
        done += len(ids)
        if progress:
            progress(done, len(labels), 0, "naming clusters")
    names = []
    for p, size in zip(sums / sizes[:, None], sizes.tolist(), strict=True):
        q = whole / done if size < done else 1 / len(classes)  # all in one: nothing to stand out of
        told = p * np.log(np.maximum(p, LEAST) / np.maximum(q, LEAST))
        best = np.argsort(-told)[:MOST_CLASSES]
        names.append(", ".join(classes[c] for c in best if told[c] >= TELLING * told[best[0]]))
    return _apart(names)


def _apart(names: Sequence[str]) -> tuple[str, ...]:
    """The same, no two alike."""
    taken: Counter[str] = Counter()
    found = []
    for name in names:
        taken[name] += 1
        found.append(name if taken[name] == 1 else f"{name} {taken[name]}")
    return tuple(found)
