"""Which images are suggested for a label next."""

import numpy as np

from embedtool.classification.label_suggestions import suggest
from embedtool.core.types import unit_rows


def test_suggestions_stand_for_the_doubtful() -> None:
    """Two clouds in doubt, one larger, one cloud without doubt, and an odd picture in doubt."""
    random = np.random.default_rng(0)
    large, small, sure = (
        np.eye(4)[axis] + 0.05 * random.normal(size=(n, 4))
        for axis, n in ((0, 20), (1, 10), (2, 30))
    )
    rows = unit_rows(np.vstack([large, small, sure, [[0, 0, -1, 1]]]))
    doubtful = np.repeat([0.5, 0.5, 0.999, 0.5], [20, 10, 30, 1]).astype(np.float32)
    probabilities = np.stack([doubtful, 1 - doubtful], 1)
    first, second, third = suggest(rows, probabilities, 3).tolist()
    assert first < 20 <= second < 30, "the middle of each, the larger first"
    assert third == 60, "then the odd one"
    assert len(set(suggest(rows, probabilities, 100).tolist())) == 61, "each once"
