"""Draw a sample of rows. The same seed gives the same rows."""

import numpy as np
import numpy.typing as npt


def sample_mask(count: int, wanted: int, seed: int) -> npt.NDArray[np.bool_]:
    """Return a mask (count,) of `wanted` rows drawn uniformly, or of all if there are no more."""
    mask = np.ones(count, bool)
    if wanted < count:
        drawn = np.random.default_rng(seed).choice(count, wanted, replace=False)
        mask[:] = False
        mask[drawn] = True
    return mask
