"""A linear classifier on unit vectors: its regularisation chosen, its score told, from arrays.

Everything is judged on images that were not learned from: they are dealt into parts, each part is
predicted by a probe of the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from embedtool.errors import UsageError
from embedtool.metrics import Estimate, mean_with_interval
from embedtool.search import nearest
from embedtool.softmax import LEAST, Axes, Labels, Solution, Weights, fit
from embedtool.splits import Numbers, deal
from embedtool.types import Progress, Vectors

GRID = tuple(round(10 ** (step / 2), 4) for step in range(-2, 7))  # C, 0.1 to 1,000
WORSE = 2  # strengths in a row that are no better end the search
TEMPERATURES = (0.05, 20.0)  # the least and the highest
# Of 300 draws from a classifier whose confidence is true, 83 % of them right: 50 images give the
# temperature within a factor of 1.25 (one standard deviation), 20 within 2, and 10 give one below
# 0.3 in every seventh draw. Whatever their number, without a mistake the log loss falls without
# end, and with one or two the temperature is too low by a third to a half.
FEWEST, MISTAKES = 50, 3
PARTS = 5
ROUGHLY = 1e-5  # how close the probes that judge come: their scores then agree to four digits
NEIGHBOURS = 10  # of the k-NN baseline, the k of precision@10
REPEATS = 10  # draws of a few shots
JUDGED = 5_000  # images that judge one draw: an accuracy is known to half a point by then

Probabilities = npt.NDArray[np.float32]  # (n, c)


@dataclass(frozen=True)
class Trial:
    """One strength, judged on the parts left out: mean log loss, share right."""

    strength: float
    log_loss: float
    accuracy: float


@dataclass(frozen=True)
class CrossValidation:
    """The trials, the most accurate one, and how it predicted each image (n, c) from the other
    parts, at the temperature that makes its confidence true, or a note on why there is none.
    `mean` is the mean of its probes, at no temperature: near the probe of all, a start for it."""

    trials: tuple[Trial, ...]
    chosen: Trial
    probabilities: Probabilities
    temperature: float
    note: str
    mean: Solution


def class_counts(labels: Labels, classes: int, *, balanced: bool) -> Weights:
    """What each image (n,) weighs: 1, or balanced, so that every class weighs the same."""
    if not balanced:
        return np.ones(len(labels), np.float32)
    sizes = np.bincount(labels, minlength=classes)
    return (len(labels) / (classes * sizes[labels])).astype(np.float32)


def cross_validate(
    rows: Vectors,
    labels: Labels,
    parts: Numbers,
    classes: int,
    *,
    strengths: Sequence[float] = GRID,
    balanced: bool = False,
    progress: Progress | None = None,
    stage: str = "choosing strength",
) -> CrossValidation:
    """Try strengths (C) in ascending order on unit rows (n, d), each from where the last ended.

    parts (n,) says which part each image is judged in. Chosen is the most accurate, of equal ones
    that of the least log loss; the search ends early where WORSE more were no better. The log loss
    chooses ill, for a strong pull makes a probe unsure, which one number mends: of 10,000 real
    vectors in 200 noisy classes it takes 31.6 with 0.588 right, where 3.16 has 0.640.
    """
    order = np.argsort(parts, kind="stable")
    rows, labels = rows[order], labels[order]
    counts = class_counts(labels, classes, balanced=balanced)
    edges = np.searchsorted(parts[order], np.arange(parts.max() + 2))
    axes = Axes(rows)
    solutions: list[Solution | None] = [None] * (len(edges) - 1)
    trials: list[Trial] = []
    best: tuple[Trial, Probabilities, Solution] | None = None
    for number, strength in enumerate(strengths):
        found = np.empty((len(rows), classes), np.float32)
        for part, (first, end) in enumerate(pairwise(edges.tolist())):
            others = [slice(0, first), slice(end, len(rows))]
            solution = solutions[part] = fit(
                rows,
                labels,
                counts,
                classes,
                strength=strength,
                axes=axes,
                parts=others,
                start=solutions[part],
                close=ROUGHLY,
            )
            found[first:end] = solution.probabilities(rows[first:end])
            if progress:
                done = number * len(solutions) + part + 1
                progress(done, len(strengths) * len(solutions), 0, stage)
        own = found[np.arange(len(labels)), labels].astype(np.float64)
        loss = float(-np.log(own.clip(np.finfo(np.float32).tiny)).mean())
        trials.append(Trial(strength, loss, float((found.argmax(1) == labels).mean())))
        if best is None or _rank(trials[-1]) > _rank(best[0]):
            best = trials[-1], found, _mean([s for s in solutions if s is not None])
        if best[0] not in trials[-WORSE:]:
            break
    if best is None:
        raise UsageError("expected at least one strength to try")
    temperature, note = true_temperature(best[1], labels)
    back = np.empty_like(best[1])
    back[order] = _tempered(best[1], temperature)
    return CrossValidation(tuple(trials), best[0], back, temperature, note, best[2])


def nearest_neighbours(
    rows: Vectors, labels: Labels, queries: Vectors, classes: int, *, k: int = NEIGHBOURS
) -> Probabilities:
    """The baseline: the share of each class (m, c) among the k nearest rows of a query, each
    counted by its similarity."""
    near, ids = nearest(queries, [(np.arange(len(rows)), rows)], min(k, len(rows)))
    votes = np.zeros((len(queries), classes))
    at = np.broadcast_to(np.arange(len(queries))[:, None], ids.shape)
    np.add.at(votes, (at, labels[ids]), near.clip(1e-6))  # the nearest decide, however far
    votes /= votes.sum(1, keepdims=True)
    return votes.astype(np.float32)


def neighbours_by_part(
    rows: Vectors, labels: Labels, parts: Numbers, classes: int
) -> Probabilities:
    """The baseline's prediction (n, c) of each image from the other parts."""
    found = np.empty((len(rows), classes), np.float32)
    for part in range(int(parts.max()) + 1):
        here = parts == part
        found[here] = nearest_neighbours(rows[~here], labels[~here], rows[here], classes)
    return found


@dataclass(frozen=True)
class FewShot:
    """What a few labelled images a class are good for: mean accuracy on the others over `repeats`
    draws, its interval over these draws, and the same of the k-NN baseline."""

    shots: int
    repeats: int
    accuracy: Estimate
    neighbours: Estimate
    judged: int


def few_shot(
    rows: Vectors,
    labels: Labels,
    groups: Numbers,
    classes: int,
    shots: int,
    *,
    repeats: int = REPEATS,
    seed: int = 0,
    progress: Progress | None = None,
) -> FewShot:
    """Draw `shots` images of each class, of so many groups, learn from them alone, and judge on
    images of no drawn group; C is chosen within the draw.

    Raises UsageError where a class is too small for that.
    """
    if shots < 2:
        raise UsageError(f"expected 2 shots or more, to choose the strength by, received {shots}")
    random = np.random.default_rng(seed)
    scores, baselines, judged = [], [], 0
    for repeat in range(repeats):
        mixed = random.permutation(len(rows))
        _, firsts = np.unique(groups[mixed], return_index=True)
        heads = mixed[np.sort(firsts)]  # one image a group, in random order
        drawn = [heads[labels[heads] == c][:shots] for c in range(classes)]
        for chosen in drawn:
            if len(chosen) < shots:
                raise UsageError(
                    f"expected {shots} different pictures of each class, one has {len(chosen)}: "
                    "lower --shots"
                )
        taken = np.concatenate(drawn)
        others = mixed[~np.isin(groups[mixed], groups[taken])][:JUDGED]
        if not others.size:
            raise UsageError(f"{shots} shots leave no image to judge by: lower --shots")
        mine, theirs = rows[taken], labels[taken]
        parts = deal(theirs, np.arange(len(taken)), min(PARTS, shots), seed=seed)
        chosen_c = cross_validate(mine, theirs, parts, classes).chosen.strength
        counts = class_counts(theirs, classes, balanced=False)
        solution = fit(
            mine,
            theirs,
            counts,
            classes,
            strength=chosen_c,
            axes=Axes(mine),
            parts=[slice(0, len(mine))],
        )
        given = solution.probabilities(rows[others])
        by_neighbours = nearest_neighbours(mine, theirs, rows[others], classes, k=shots)
        scores.append(float((given.argmax(1) == labels[others]).mean()))
        baselines.append(float((by_neighbours.argmax(1) == labels[others]).mean()))
        judged = len(others)
        if progress:
            progress(repeat + 1, repeats, 0, f"{shots} shots")
    return FewShot(
        shots, repeats, mean_with_interval(scores), mean_with_interval(baselines), judged
    )


def suggest(rows: Vectors, probabilities: Probabilities, count: int) -> Numbers:
    """The images most worth a label next, by number, the most worth first.

    Each time the one that helps most of the doubtful images to a near labelled one: the sum over
    all images of their doubt times what it adds to their similarity to the nearest suggested (a
    facility location, Krause and Golovin 2014, Submodular Function Maximization). Doubt is 1 less
    the margin of the two likeliest classes. The most doubtful ones themselves are odd pictures,
    that teach less than random ones. Memory: 4 n^2 bytes.
    """
    best = np.partition(probabilities, -2, axis=1)[:, -2:]
    doubt = 1 - (best[:, 1] - best[:, 0])
    similarities = rows @ rows.T
    near = np.full(len(rows), similarities.mean(), np.float32)
    chosen: list[int] = []
    for _ in range(min(count, len(rows))):
        gain = np.maximum(similarities - near, 0) @ doubt
        gain[chosen] = -1
        chosen.append(int(gain.argmax()))
        near = np.maximum(near, similarities[chosen[-1]])
    return np.array(chosen, np.int64)


def _rank(trial: Trial) -> tuple[float, float]:
    return trial.accuracy, -trial.log_loss


def true_temperature(probabilities: Probabilities, labels: Labels) -> tuple[float, str]:
    """What logits are to be divided by so that confidence is true: the least log loss (Guo et al.
    2017, On Calibration of Modern Neural Networks, 4.2), of images (n, c) not learned from; 1, and
    a note on why, where they are too few to tell."""
    mistakes = int((probabilities.argmax(1) != labels).sum())
    if len(labels) < FEWEST or mistakes < MISTAKES:
        return 1.0, (
            f"{len(labels)} images were held out, with {mistakes} mistakes among them: fewer than "
            f"the {FEWEST} and {MISTAKES} that tell how true probabilities are, which stay as "
            "trained"
        )
    at = np.arange(len(labels))

    def loss(logarithm: float) -> float:
        own = _tempered(probabilities, float(np.exp(logarithm)))[at, labels].astype(np.float64)
        return float(-np.log(own.clip(LEAST)).mean())

    found = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded")
    return float(np.exp(found.x)), ""


def _tempered(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Probabilities whose logits are divided."""
    logits = np.log(probabilities.clip(LEAST)) / np.float32(temperature)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    powers /= powers.sum(1, keepdims=True)
    tempered: Probabilities = powers.astype(np.float32)
    return tempered


def _mean(solutions: list[Solution]) -> Solution:
    return Solution(
        np.mean([s.weights for s in solutions], 0), np.mean([s.bias for s in solutions], 0)
    )
