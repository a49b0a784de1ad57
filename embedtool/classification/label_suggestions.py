"""Which images are most worth a label next."""

import numpy as np

from embedtool.classification.splits import Numbers
from embedtool.classification.temperature import Probabilities
from embedtool.core.types import Vectors


def suggest(rows: Vectors, probabilities: Probabilities, count: int) -> Numbers:
    """The images most worth a label next, by number, the most worth first.

    Each time the one that helps most of the doubtful images to a near labelled one: the sum over
    all images of their doubt times what it adds to their similarity to the nearest suggested (a
    facility location, Krause and Golovin 2014, Submodular Function Maximization). Doubt is 1 less
    the margin of the two likeliest classes. The most doubtful ones themselves are odd pictures,
    that teach less than random ones. Memory: 4 n^2 bytes.
    """
    best = np.partition(probabilities, -2, axis=1)[:, -2:]
    doubt = 1 - (best[:, 1] - best[:, 0])
    similarities = rows @ rows.T
    near = np.full(len(rows), similarities.mean(), np.float32)
    chosen: list[int] = []
    for _ in range(min(count, len(rows))):
        gain = np.maximum(similarities - near, 0) @ doubt
        gain[chosen] = -1
        chosen.append(int(gain.argmax()))
        near = np.maximum(near, similarities[chosen[-1]])
    return np.array(chosen, np.int64)
