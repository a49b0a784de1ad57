"""Stratified folds in which near-duplicates stay together."""

from collections import Counter

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


def assign_folds(labels: Numbers, groups: Numbers, folds: int, *, seed: int = 0) -> Numbers:
    """Return the fold (n,), 0 to folds - 1, of each of n items, with each group in one fold.

    Groups are assigned from the largest to the smallest, in random order among equal ones. Each
    goes to the fold with the fewest items of its classes, or of equal ones, the fewest items. A
    class with at least as many groups as folds is in all folds, and folds differ by one group.
    """
    random = np.random.default_rng(seed)
    members: dict[int, Counter[int]] = {}
    for group, label in zip(groups.tolist(), labels.tolist(), strict=True):
        members.setdefault(group, Counter())[label] += 1
    names = list(members)
    order = [names[i] for i in random.permutation(len(names))]
    order.sort(key=lambda group: -members[group].total())  # stable: ties stay in random order
    contents = [Counter[int]() for _ in range(folds)]
    sizes = [0] * folds
    fold_of = {}
    for group in order:
        own = members[group]
        fold = min(range(folds), key=lambda f: (sum(contents[f][c] for c in own), sizes[f]))
        fold_of[group] = fold
        contents[fold].update(own)
        sizes[fold] += own.total()
    return np.array([fold_of[group] for group in groups.tolist()], np.int64)


def stratified_sample(labels: Numbers, most: int, *, seed: int = 0) -> Numbers:
    """Return the numbers of all n items, or of a stratified sample of at most about `most`."""
    everything = np.arange(len(labels))
    shares = -(-len(labels) // most)
    if shares <= 1:
        return everything
    return np.flatnonzero(assign_folds(labels, everything, shares, seed=seed) == 0)
