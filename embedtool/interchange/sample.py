"""Some rows of many, the same ones for the same seed."""

import numpy as np
import numpy.typing as npt


def sample_mask(count: int, wanted: int, seed: int) -> npt.NDArray[np.bool_]:
    """Return a mask (count,) of `wanted` rows drawn evenly, or of all where there are no more."""
    mask = np.ones(count, bool)
    if wanted < count:
        drawn = np.random.default_rng(seed).choice(count, wanted, replace=False)
        mask[:] = False
        mask[drawn] = True
    return mask
