"""Measure how far two clusterings of the same images agree."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score


@dataclass(frozen=True)
class Agreement:
    """The agreement of two clusterings: 1 if they are the same, about 0 if they agree by chance.

    ami: adjusted mutual information (Vinh, Epps and Bailey, JMLR 11, 2010); ari: adjusted Rand
    index (Hubert and Arabie, Journal of Classification 2, 1985); counts: clusters in each.
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
    """Compare two clusterings (n,) of n images."""
    return Agreement(
        images=len(first),
        counts=(len(np.unique(first)), len(np.unique(second))),
        ami=float(adjusted_mutual_info_score(first, second)),
        ari=float(adjusted_rand_score(first, second)),
    )
