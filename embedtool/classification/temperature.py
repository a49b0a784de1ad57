"""Temperature scaling: one number that calibrates a classifier's probabilities."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from embedtool.classification.logistic_regression import MIN_PROBABILITY, Labels
from embedtool.core.softmax import softmax

TEMPERATURE_RANGE = (0.05, 20.0)
# Of 300 draws from a classifier whose confidence is true, 83 % of them right: 50 images give the
# temperature within a factor of 1.25 (one standard deviation), 20 within 2, and 10 give one below
# 0.3 in every seventh draw. Whatever their number, without a mistake the log loss falls without
# end, and with one or two the temperature is too low by a third to a half.
MIN_IMAGES, MIN_MISTAKES = 50, 3
Probabilities = npt.NDArray[np.float32]  # (n, c)


def fit_temperature(probabilities: Probabilities, labels: Labels) -> tuple[float, str]:
    """Return the temperature to divide logits by, that of the least log loss (Guo et al. 2017, On
    Calibration of Modern Neural Networks, 4.2) of held-out images (n, c); where they are too few,
    1 and a note that says so."""
    mistakes = int((probabilities.argmax(1) != labels).sum())
    if len(labels) < MIN_IMAGES or mistakes < MIN_MISTAKES:
        return 1.0, (
            f"{len(labels)} images were held out, with {mistakes} mistakes among them: fewer than "
            f"the {MIN_IMAGES} and {MIN_MISTAKES} that tell how true probabilities are, which stay "
            "as trained"
        )
    at = np.arange(len(labels))

    def loss(logarithm: float) -> float:
        own = apply_temperature(probabilities, float(np.exp(logarithm)))[at, labels]
        return float(-np.log(own.astype(np.float64).clip(MIN_PROBABILITY)).mean())

    found = minimize_scalar(loss, bounds=np.log(TEMPERATURE_RANGE), method="bounded")
    return float(np.exp(found.x)), ""


def apply_temperature(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Return probabilities whose logits are divided by temperature."""
    return softmax(np.log(probabilities.clip(MIN_PROBABILITY)) / np.float32(temperature))
