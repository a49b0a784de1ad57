"""What a few labelled images a class are good for."""

from dataclasses import dataclass

import numpy as np

from embedtool.classification.cross_validation import PARTS, class_counts, cross_validate
from embedtool.classification.knn import predict_knn
from embedtool.classification.logistic_regression import Axes, Labels, fit
from embedtool.classification.metrics import Estimate, mean_with_interval
from embedtool.classification.splits import Numbers, assign_folds
from embedtool.core.types import Progress, Vectors
from embedtool.errors import UsageError

REPEATS = 10  # draws of a few shots
JUDGED = 5_000  # images that judge one draw: an accuracy is known to half a point by then


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
        parts = assign_folds(theirs, np.arange(len(taken)), min(PARTS, shots), seed=seed)
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
        by_neighbours = predict_knn(mine, theirs, rows[others], classes, k=shots)
        scores.append(float((given.argmax(1) == labels[others]).mean()))
        baselines.append(float((by_neighbours.argmax(1) == labels[others]).mean()))
        judged = len(others)
        if progress:
            progress(repeat + 1, repeats, 0, f"{shots} shots")
    return FewShot(
        shots, repeats, mean_with_interval(scores), mean_with_interval(baselines), judged
    )
