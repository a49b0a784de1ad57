"""Suggest which images to label next."""

import numpy as np

from embedtool.classification.splits import Numbers
from embedtool.classification.temperature import Probabilities
from embedtool.core.types import Vectors


def suggest(rows: Vectors, probabilities: Probabilities, count: int) -> Numbers:
    """Return the numbers of the images to label next, the most useful first.

    rows: directions (n, d) from the centre of the collection, whose products are similarities.
    Each step chooses the image with the largest gain: the sum, over all images, of their
    uncertainty times the increase of their similarity to the nearest suggested image (facility
    location; Krause and Golovin 2014, Submodular Function Maximization). Uncertainty is 1 minus the
    margin between the two likeliest classes. The most uncertain images alone would be odd pictures,
    which teach a classifier less than random ones. Memory: 4 n^2 bytes.
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
