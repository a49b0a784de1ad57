"""How far two ways to put the same images into clusters agree."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score


@dataclass(frozen=True)
class Agreement:
    """1 where both put the same images together, about 0 where they agree no more than by chance.

    ami: adjusted mutual information (Vinh, Epps and Bailey, JMLR 11, 2010); ari: adjusted Rand
    index (Hubert and Arabie, Journal of Classification 2, 1985); counts: clusters of each.
    """

    images: int
    counts: tuple[int, int]
    ami: float
    ari: float

    def record(self) -> dict[str, Any]:
        return {
            "images": self.images,
            "counts": list(self.counts),
            "ami": self.ami,
            "ari": self.ari,
        }


def agreement(first: npt.NDArray[np.int32], second: npt.NDArray[np.int32]) -> Agreement:
    """Compare the clusters (n,) that n images are in."""
    return Agreement(
        images=len(first),
        counts=(len(np.unique(first)), len(np.unique(second))),
        ami=float(adjusted_mutual_info_score(first, second)),
        ari=float(adjusted_rand_score(first, second)),
    )
