"""Assign each noise point to the cluster that most of its nearest clustered neighbours are in."""

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int32]  # (n,), -1 for noise
VOTING_NEIGHBOURS = 15  # clustered ones, which decide where a noise point belongs


def assign_noise(
    points: npt.NDArray[np.float64], labels: Labels
) -> tuple[Labels, npt.NDArray[np.float64]]:
    """Return the cluster (n,) of each point (n, dimensions), and of noise the one that most of its
    nearest clustered neighbours are in, and their share (n,), 1 for a clustered point. -1 and 0
    where there are no clusters."""
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
