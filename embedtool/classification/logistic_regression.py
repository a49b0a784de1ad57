"""Multinomial logistic regression on unit vectors, by a preconditioned L-BFGS in float32.

The loss is that of scikit-learn: C times the weighted sum of the log losses, plus half the squared
norm of the weights. Intercepts are not regularised. The features of a network are badly
conditioned: a few directions have most of the variance, and plain L-BFGS needs a hundred passes
over the data. Here the parameters are expressed along the principal axes of the data, each scaled
by its curvature in Böhning's bound (1992, Multinomial logistic regression algorithm). This does not
change the optimum and needs about twenty passes.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh
from scipy.optimize import minimize

from embedtool.core.softmax import softmax
from embedtool.core.threads import cpu_count, single_threaded_blas
from embedtool.core.types import Progress, Vectors

BLOCK_ROWS = 2048  # small enough for a core's cache and for an even share of work among cores
CURVATURE = 0.1  # times the share of a class; the bound has 0.5, but this needed the fewest steps
MAX_ITERATIONS = 200  # at most; no measured fit needed half as many
MIN_PROBABILITY = 1e-30  # keeps the logarithm finite if float32 has rounded to 0
TOLERANCE = 1e-6  # relative change of the loss at which a fit ends: the precision of float32 sums
Labels = npt.NDArray[np.int64]  # (n,) classes, from 0
SampleWeights = npt.NDArray[np.float32]  # (n,) the weight of each image in the loss


@dataclass(frozen=True)
class LinearClassifier:
    """A linear classifier with logits x @ weights.T + bias: weights (c, d), bias (c,)."""

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]

    def with_temperature(self, temperature: float) -> "LinearClassifier":
        """Return the classifier with its logits divided by temperature. A higher temperature makes
        it less confident and changes no prediction."""
        scale = np.float32(1 / temperature)
        return LinearClassifier(self.weights * scale, self.bias * scale)

    def probabilities(self, rows: Vectors) -> npt.NDArray[np.float32]:
        """Return the probabilities (n, c) of rows (n, d)."""
        found = np.empty((len(rows), len(self.bias)), np.float32)
        for start in range(0, len(rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            found[block] = softmax(rows[block] @ self.weights.T + self.bias)
        return found


class PrincipalAxes:
    """The principal axes (d, r) of rows (n, d), their variances (r,), and the mean (d,)."""

    def __init__(self, rows: Vectors) -> None:
        with single_threaded_blas():
            self._find(rows)

    def _find(self, rows: Vectors) -> None:
        n, d = rows.shape
        self.mean = rows.mean(0, dtype=np.float64).astype(np.float32)
        if n < d:  # the products of rows with each other are the smaller matrix
            centred = rows - self.mean
            squares, inner = eigh(centred @ centred.T)
            keep = squares > squares[-1] * n * np.finfo(np.float32).eps
            self.variance = squares[keep] / n
            self.axes = (centred.T @ inner[:, keep]) / np.sqrt(squares[keep])
        else:
            products = np.zeros((d, d), np.float32)
            for start in range(0, n, BLOCK_ROWS):
                centred = rows[start : start + BLOCK_ROWS] - self.mean
                products += centred.T @ centred
            squares, self.axes = eigh(products)
            self.variance = squares.clip(0) / n


def fit(
    rows: Vectors,
    labels: Labels,
    sample_weights: SampleWeights,
    classes: int,
    *,
    strength: float,
    axes: PrincipalAxes,
    training: Sequence[slice],
    initial: LinearClassifier | None = None,
    tolerance: float = TOLERANCE,
    progress: Progress | None = None,
) -> LinearClassifier:
    """Fit a classifier to the rows (n, d) that the slices of training select.

    sample_weights: (n,). strength: C. axes: of these rows, or of a superset of them. initial: the
    classifier to start from. tolerance: the relative change of the loss at which the fit ends.
    """
    total = float(sum(sample_weights[part].sum(dtype=np.float64) for part in training))
    penalty = 1 / (strength * total)
    scale = 1 / np.sqrt(CURVATURE / classes * axes.variance + penalty)
    to_features = (axes.axes * scale).astype(np.float32)  # (d, r)
    r = to_features.shape[1]
    intercept_scale = np.sqrt(classes / CURVATURE)  # the scale of an intercept
    blocks = [
        slice(first, min(first + BLOCK_ROWS, part.stop))
        for part in training
        for first in range(part.start, part.stop, BLOCK_ROWS)
    ]

    def unpack(flat: npt.NDArray[np.float64]) -> tuple[Vectors, Vectors, Vectors]:
        inner = flat.astype(np.float32).reshape(classes, r + 1)
        weights = inner[:, :r] @ to_features.T
        bias = inner[:, r] * np.float32(intercept_scale) - weights @ axes.mean
        return weights, bias, inner[:, :r]

    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weights, bias, inner = unpack(flat)
        value = 0.0
        weight_gradient = np.zeros((classes, rows.shape[1]), np.float32)
        bias_gradient = np.zeros(classes)

        def block_terms(block: slice) -> tuple[float, Vectors, npt.NDArray[np.float64]]:
            own = labels[block]
            at = np.arange(len(own))
            residuals = softmax(rows[block] @ weights.T + bias)
            own_weights = sample_weights[block]
            log_likelihood = float(own_weights @ np.log(residuals[at, own].clip(MIN_PROBABILITY)))
            residuals[at, own] -= 1
            residuals *= own_weights[:, np.newaxis]
            return log_likelihood, residuals.T @ rows[block], residuals.sum(0, dtype=np.float64)

        for log_likelihood, of_weights, of_bias in each(block_terms, blocks):
            value -= log_likelihood  # always summed in the same order, for the same result
            weight_gradient += of_weights
            bias_gradient += of_bias
        weight_gradient -= np.outer(bias_gradient, axes.mean).astype(np.float32)
        scaled = inner * scale
        value = value / total + penalty / 2 * float((scaled**2).sum())
        gradient = np.empty((classes, r + 1))
        of_data = (weight_gradient / np.float32(total)) @ to_features
        gradient[:, :r] = of_data + penalty * scaled * scale
        gradient[:, r] = bias_gradient / total * intercept_scale
        return value, gradient.ravel()

    initial_flat = np.zeros((classes, r + 1))
    if initial is not None:
        initial_flat[:, :r] = (initial.weights @ axes.axes) / scale
        initial_flat[:, r] = (initial.bias + initial.weights @ axes.mean) / intercept_scale

    passes = 0

    def count_pass(_: object) -> None:
        nonlocal passes
        passes += 1
        if progress:
            progress(passes, MAX_ITERATIONS, stage="training on all")

    with single_threaded_blas(), ThreadPoolExecutor(cpu_count()) as pool:
        each = pool.map if len(blocks) > 1 else map
        found = minimize(
            loss,
            initial_flat.ravel(),
            jac=True,
            method="L-BFGS-B",
            callback=count_pass,
            options={"maxiter": MAX_ITERATIONS, "ftol": tolerance, "gtol": 0, "maxcor": 10},
        )
    weights, bias, _ = unpack(found.x)
    return LinearClassifier(weights, bias)
