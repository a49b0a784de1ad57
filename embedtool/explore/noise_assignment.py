"""Assign each noise point to the cluster that most of its nearest clustered neighbours are in."""

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int32]  # (n,), -1 for noise
VOTING_NEIGHBOURS = 15  # clustered points that vote on the cluster of a noise point


def assign_noise(
    points: npt.NDArray[np.float64], labels: Labels
) -> tuple[Labels, npt.NDArray[np.float64]]:
    """Return the cluster (n,) of each point (n, dimensions) and the share of votes for it (n,).

    A noise point gets the cluster that most of its nearest clustered neighbours are in. The share
    of a clustered point is 1. If there are no clusters, return -1 and 0.
    """
    nearest, votes = labels.copy(), (labels >= 0).astype(np.float64)
    inside, noise = np.flatnonzero(labels >= 0), np.flatnonzero(labels < 0)
    if inside.size and noise.size:
        from scipy.spatial import cKDTree

        count = min(VOTING_NEIGHBOURS, inside.size)
        _, found = cKDTree(points[inside]).query(points[noise], count, workers=-1)
        tally = np.zeros((noise.size, labels.max() + 1), np.int32)
        near = labels[inside[found.reshape(noise.size, count)]]
        np.add.at(tally, (np.arange(noise.size)[:, None], near), 1)
        nearest[noise] = tally.argmax(1)
        votes[noise] = tally.max(1) / count
    return nearest, votes
