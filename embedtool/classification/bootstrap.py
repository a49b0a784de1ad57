"""95 % confidence intervals by the bootstrap, for scores that are no mean over images.

An interval is the 2.5th and 97.5th percentile of a score over resamples, drawn with replacement
(Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13). Only the images vary; the
classifier is fixed.
"""

from collections.abc import Iterator

import numpy as np

from embedtool.classification.intervals import Estimate, Values

RESAMPLES = 1000  # another seed then moves the ends of an interval by about a tenth of its width


def resample_weights(n: int, resamples: int, seed: int) -> Iterator[Values]:
    """Yield how often each of n images (n,) is drawn, once for each resample."""
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(random.integers(n, size=n), minlength=n).astype(np.float64)


def bootstrap_mean(values: Values, *, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """Return the mean of repeated measurements (n,) and its confidence interval."""
    weights = resample_weights(len(values), resamples, seed)
    spread = [values @ drawn / len(values) for drawn in weights]
    return Estimate(float(values.mean()), *_percentiles(np.array(spread)))


def score_interval(value: float, spread: Values, accuracy: Estimate) -> Estimate:
    """Return a score with its interval, given its values in the resamples (r,).

    accuracy: that of the same predictions. If all of them are right, every resample gives the same
    score; the interval is therefore not narrower than that of the accuracy, on either side."""
    if accuracy.low is None or accuracy.high is None:
        return Estimate(value, None, None)
    low, high = _percentiles(spread)
    low = min(low, value - (accuracy.value - accuracy.low))
    high = max(high, value + (accuracy.high - accuracy.value))
    return Estimate(value, max(low, 0.0), min(high, 1.0))


def _percentiles(spread: Values) -> tuple[float, float]:
    low, high = np.percentile(spread, [2.5, 97.5]).tolist()
    return low, high
