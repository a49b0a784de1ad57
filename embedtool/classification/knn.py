"""The k-NN baseline: the classes of the nearest vectors."""

import numpy as np

from embedtool.classification.logistic_regression import Labels
from embedtool.classification.splits import Numbers
from embedtool.classification.temperature import Probabilities
from embedtool.core.types import Vectors
from embedtool.search.exact import nearest

NEIGHBOURS = 10  # of the k-NN baseline, the k of precision@10


def predict_knn(
    rows: Vectors, labels: Labels, queries: Vectors, classes: int, *, k: int = NEIGHBOURS
) -> Probabilities:
    """Return the share of each class (m, c) among the k nearest rows of a query, each counted by
    its similarity."""
    near, ids = nearest(queries, [(np.arange(len(rows)), rows)], min(k, len(rows)))
    votes = np.zeros((len(queries), classes))
    at = np.broadcast_to(np.arange(len(queries))[:, None], ids.shape)
    np.add.at(votes, (at, labels[ids]), near.clip(1e-6))  # the nearest decide, however far
    votes /= votes.sum(1, keepdims=True)
    return votes.astype(np.float32)


def cross_validate_knn(
    rows: Vectors, labels: Labels, folds: Numbers, classes: int
) -> Probabilities:
    """Return the baseline's prediction (n, c) of each image from the other folds."""
    predicted = np.empty((len(rows), classes), np.float32)
    for fold in range(int(folds.max()) + 1):
        here = folds == fold
        predicted[here] = predict_knn(rows[~here], labels[~here], rows[here], classes)
    return predicted
