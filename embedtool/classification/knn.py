"""The k-NN baseline, which predicts the classes of the nearest vectors."""

import numpy as np

from embedtool.classification.logistic_regression import Labels
from embedtool.classification.splits import Numbers
from embedtool.classification.temperature import Probabilities
from embedtool.core.types import Vectors
from embedtool.search.exact import nearest

NEIGHBOURS = 10  # the same k as in precision@10


def predict_knn(
    rows: Vectors, labels: Labels, queries: Vectors, classes: int, *, k: int = NEIGHBOURS
) -> Probabilities:
    """Return the share of each class (m, c) among the k nearest rows of each query, weighted by
    similarity. rows and queries: directions from the centre of the collection."""
    near, ids = nearest(queries, [(np.arange(len(rows)), rows)], min(k, len(rows)))
    votes = np.zeros((len(queries), classes))
    at = np.broadcast_to(np.arange(len(queries))[:, None], ids.shape)
    np.add.at(votes, (at, labels[ids]), near.clip(1e-6))  # weights stay positive
    votes /= votes.sum(1, keepdims=True)
    return votes.astype(np.float32)


def cross_validate_knn(
    rows: Vectors, labels: Labels, folds: Numbers, classes: int
) -> Probabilities:
    """Return the probabilities (n, c) of each image from the images of the other folds; NaN for the
    images of fold -1."""
    predicted = np.full((len(rows), classes), np.nan, np.float32)
    for fold in range(int(folds.max()) + 1):
        here = folds == fold
        predicted[here] = predict_knn(rows[~here], labels[~here], rows[here], classes)
    return predicted
