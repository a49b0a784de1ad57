"""95 % confidence intervals by the bootstrap over images.

An interval is the 2.5th and 97.5th percentile of a score over resamples of the images, drawn with
replacement (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13). Only the images
vary; the classifier is fixed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.errors import EmbedtoolError

RESAMPLES = 1000  # another seed then moves the ends of an interval by about a tenth of its width
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A score over all images, and its 95 % confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f})"

    def record(self, name: str) -> dict[str, Any]:
        """Return a dictionary for JSON: the value as NAME and its interval as NAME_ci95."""
        return {name: self.value, f"{name}_ci95": [self.low, self.high]}


def mean_with_interval(
    values: npt.ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Return the mean of one value per image (n,) and its confidence interval."""
    own = np.asarray(values, np.float64)
    if own.ndim != 1 or not own.size:
        raise EmbedtoolError(f"expected one value per image, shape (n,), received {own.shape}")
    spread = [own @ weights / len(own) for weights in resample_weights(len(own), resamples, seed)]
    return estimate(float(own.mean()), np.array(spread))


def paired_difference(
    first: npt.ArrayLike, second: npt.ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Return the mean of second minus the mean of first, both (n,) over the same images.

    For two accuracies, the values are 1 if the prediction is right, else 0. Each image is drawn
    with both values, so images that are hard for both do not widen the interval.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != other.shape:
        raise EmbedtoolError(
            "expected one value per image of the same images, received shapes "
            f"{one.shape} and {other.shape}"
        )
    return mean_with_interval(other - one, resamples=resamples, seed=seed)


def resample_weights(n: int, resamples: int, seed: int) -> Iterator[Values]:
    """Yield how often each of n images (n,) is drawn, once for each resample."""
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(random.integers(n, size=n), minlength=n).astype(np.float64)


def estimate(value: float, spread: Values) -> Estimate:
    """Return a score with its interval, given its values in the resamples (r,)."""
    low, high = np.percentile(spread, [2.5, 97.5]).tolist()
    return Estimate(value, low, high)
