"""Multinomial logistic regression on unit vectors, by a preconditioned L-BFGS in float32.

The loss is scikit-learn's: C times the weighted sum of the log losses, plus half the squared length
of the weights; the intercepts are free. Features of a network are far from round: a few directions
hold most of their variance, and plain L-BFGS needs a hundred passes over the data. Here the
parameters are measured along the principal axes of the data, each scaled by the curvature that
Böhning's bound gives it (1992, Multinomial logistic regression algorithm), which the optimum does
not depend on and which needs about twenty.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh
from scipy.optimize import minimize

from embedtool.core.threads import cpu_count, one_thread_each
from embedtool.core.types import Progress, Vectors

ROWS = 2048  # of the data at a time: their logits stay near the cores, and cores share evenly
CURVATURE = 0.1  # times the share of a class; the bound has 0.5, this measured fewest steps
STEPS = 200  # passes over the data at most; none measured needed half as many
LEAST = 1e-30  # a probability that float32 has rounded to 0 has a logarithm all the same
CLOSE = 1e-6  # relative change of the loss at which it ends: float32 sums know it no better
Labels = npt.NDArray[np.int64]  # (n,) classes, from 0
Weights = npt.NDArray[np.float32]  # (n,) how much each image counts
Parts = Sequence[slice]  # of the rows, those that are learned from


@dataclass(frozen=True)
class Solution:
    """Logits are x @ weights.T + bias: weights (c, d), bias (c,)."""

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    steps: int = 0

    def at(self, temperature: float) -> "Solution":
        """The same with its logits divided: higher makes it less sure, and no prediction other."""
        scale = np.float32(1 / temperature)
        return Solution(self.weights * scale, self.bias * scale, self.steps)

    def probabilities(self, rows: Vectors) -> npt.NDArray[np.float32]:
        """(n, c), of rows (n, d)."""
        found = np.empty((len(rows), len(self.bias)), np.float32)
        for start in range(0, len(rows), ROWS):
            part = slice(start, start + ROWS)
            found[part] = softmax(rows[part] @ self.weights.T + self.bias)
        return found


class Axes:
    """The principal axes (d, r) of rows (n, d), their variances (r,), and the mean (d,)."""

    def __init__(self, rows: Vectors) -> None:
        with one_thread_each():
            self._find(rows)

    def _find(self, rows: Vectors) -> None:
        n, d = rows.shape
        self.mean = rows.mean(0, dtype=np.float64).astype(np.float32)
        if n < d:  # they span less: their own products tell it, and are fewer
            centred = rows - self.mean
            squares, inner = eigh(centred @ centred.T)
            keep = squares > squares[-1] * n * np.finfo(np.float32).eps
            self.variance = squares[keep] / n
            self.axes = (centred.T @ inner[:, keep]) / np.sqrt(squares[keep])
        else:
            products = np.zeros((d, d), np.float32)
            for start in range(0, n, ROWS):
                centred = rows[start : start + ROWS] - self.mean
                products += centred.T @ centred
            squares, self.axes = eigh(products)
            self.variance = squares.clip(0) / n


def fit(
    rows: Vectors,
    labels: Labels,
    counts: Weights,
    classes: int,
    *,
    strength: float,
    axes: Axes,
    parts: Parts,
    start: Solution | None = None,
    close: float = CLOSE,
    progress: Progress | None = None,
) -> Solution:
    """The solution for the images in parts, counts (n,) being what each weighs.

    strength: C. axes: of these rows, or of more of their kind. start: a solution to begin with.
    close: the relative change of the loss at which it ends.
    """
    total = float(sum(counts[part].sum(dtype=np.float64) for part in parts))
    penalty = 1 / (strength * total)
    scale = 1 / np.sqrt(CURVATURE / classes * axes.variance + penalty)
    back = (axes.axes * scale).astype(np.float32)  # (d, r)
    r = back.shape[1]
    free = np.sqrt(classes / CURVATURE)  # the scale of an intercept
    blocks = [
        slice(first, min(first + ROWS, part.stop))
        for part in parts
        for first in range(part.start, part.stop, ROWS)
    ]

    def unpack(flat: npt.NDArray[np.float64]) -> tuple[Vectors, Weights, Weights]:
        inner = flat.astype(np.float32).reshape(classes, r + 1)
        weights = inner[:, :r] @ back.T
        return weights, inner[:, r] * np.float32(free) - weights @ axes.mean, inner[:, :r]

    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weights, bias, inner = unpack(flat)
        value = 0.0
        slopes = np.zeros((classes, rows.shape[1]), np.float32)
        lifts = np.zeros(classes)

        def share(block: slice) -> tuple[float, Vectors, npt.NDArray[np.float64]]:
            own = labels[block]
            at = np.arange(len(own))
            likely = softmax(rows[block] @ weights.T + bias)
            lost = float(counts[block] @ np.log(likely[at, own].clip(LEAST)))
            likely[at, own] -= 1
            likely *= counts[block, np.newaxis]
            return lost, likely.T @ rows[block], likely.sum(0, dtype=np.float64)

        for lost, slope, lift in each(share, blocks):  # summed in one order: the same each time
            value -= lost
            slopes += slope
            lifts += lift
        slopes -= np.outer(lifts, axes.mean).astype(np.float32)
        scaled = inner * scale
        value = value / total + penalty / 2 * float((scaled**2).sum())
        gradient = np.empty((classes, r + 1))
        gradient[:, :r] = (slopes / np.float32(total)) @ back + penalty * scaled * scale
        gradient[:, r] = lifts / total * free
        return value, gradient.ravel()

    begin = np.zeros((classes, r + 1))
    if start is not None:
        begin[:, :r] = (start.weights @ axes.axes) / scale
        begin[:, r] = (start.bias + start.weights @ axes.mean) / free

    passes = 0

    def passed(_: object) -> None:
        nonlocal passes
        passes += 1
        if progress:
            progress(passes, STEPS, 0, "training on all")

    with one_thread_each(), ThreadPoolExecutor(cpu_count()) as pool:
        each = pool.map if len(blocks) > 1 else map
        found = minimize(
            loss,
            begin.ravel(),
            jac=True,
            method="L-BFGS-B",
            callback=passed,
            options={"maxiter": STEPS, "ftol": close, "gtol": 0, "maxcor": 10},
        )
    weights, bias, _ = unpack(found.x)
    return Solution(weights, bias, int(found.nfev))


def softmax(logits: Vectors) -> npt.NDArray[np.float32]:
    """Probabilities (n, c), written over the logits."""
    logits -= logits.max(1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(1, keepdims=True)
    return logits
