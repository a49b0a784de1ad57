"""Density-based clustering by HDBSCAN, with a minimum cluster size that is chosen without labels.

Takes a layout of the points and their neighbour graph; knows no paths. Campello, Moulavi, Sander:
Density-Based Clustering Based on Hierarchical Density Estimates, PAKDD 2013.

Of all sizes tried, the one with the most clusters is chosen whose modularity on the graph is at
least NEAR_BEST of the best. If excess of mass puts more than half of all points into one cluster,
as it does when a few groups lie far away, the size is also tried with the cluster size limited.
Modularity is low for the two or three clusters of a coarse cut, and for tiny fragments. Near its
maximum it favours merging small groups (Fortunato, Barthelemy: Resolution Limit in Community
Detection, PNAS 104, 2007), so the finest cut is chosen.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedtool.explore.noise_assignment import Labels, assign_noise

Layout = npt.NDArray[np.float32]  # (n, dimensions); similar points are close together
MIN_SAMPLES = 5
SIZES = (5, 10, 15, 20, 30, 45, 60, 90, 130, 200, 300, 450, 700, 1000, 1500)
MIN_CLUSTERS = 60  # sizes above n / this are not tried: they would give only a few large clusters
NEAR_BEST = 0.9
MODULARITY_NEIGHBOURS = 15  # edges per point: fewer than most groups have members


@dataclass(frozen=True)
class Clustering:
    """A clustering of n points into c clusters, which are numbered by size from 0, the largest."""

    labels: Labels  # (n,)
    nearest: Labels  # (n,), the label; for noise, the nearest cluster
    strengths: npt.NDArray[np.float32]  # (n,), strength of the membership in `nearest`, 0 to 1
    stabilities: npt.NDArray[np.float64]  # (c,), as HDBSCAN defines them
    min_cluster_size: int
    modularity: float


def cluster(layout: Layout, indices: npt.NDArray[np.int32], *, detail: float = 1.0) -> Clustering:
    """Cluster n points (n, dimensions). indices: the k nearest others of each point (n, k).

    detail: above 1 gives smaller clusters than the criterion chooses, below 1 larger ones. All are
    cuts of one hierarchy. If no cut has two clusters, all points are noise.
    """
    n = len(layout)
    if n < 2 * MIN_SAMPLES:
        return all_noise(n)
    from hdbscan import HDBSCAN  # imports scikit-learn, which sets environment variables

    points = layout.astype(np.float64)
    tree = HDBSCAN(min_samples=MIN_SAMPLES, core_dist_n_jobs=1).fit(points)
    hierarchy = tree.single_linkage_tree_.to_numpy()
    edges = indices[:, :MODULARITY_NEIGHBOURS]
    cuts = []
    for size in SIZES:
        if size <= max(SIZES[0], n // MIN_CLUSTERS):
            cuts.append((0, _cut(points, hierarchy, edges, size, 0)))
            if (cuts[-1][1].labels == 0).sum() > n // 2:  # the largest
                cuts.append((n // 2, _cut(points, hierarchy, edges, size, n // 2)))
    best = max(cut.modularity for _, cut in cuts)
    if best <= 0:
        return all_noise(n)
    near = [(most, cut) for most, cut in cuts if cut.modularity >= NEAR_BEST * best]
    most, chosen = max(near, key=lambda each: (len(each[1].stabilities), each[1].modularity))
    if detail != 1:
        size = max(2, round(chosen.min_cluster_size / detail))
        chosen = _cut(points, hierarchy, edges, size, most)
    return chosen


def all_noise(n: int) -> Clustering:
    """Return a clustering of n points that are all noise."""
    noise = np.full(n, -1, np.int32)
    return Clustering(noise, noise, np.zeros(n, np.float32), np.empty(0), 0, 0.0)


def one_cluster(n: int) -> Clustering:
    """Return a clustering of n equal points."""
    first = np.zeros(n, np.int32)
    return Clustering(first, first, np.ones(n, np.float32), np.zeros(1), n, 0.0)


def _cut(
    points: npt.NDArray[np.float64],
    hierarchy: npt.NDArray[np.float64],
    edges: npt.NDArray[np.int32],
    size: int,
    most: int,
) -> Clustering:
    """Return the clusters of a minimum size, by excess of mass. No cluster has more points than
    `most`; 0 is no limit."""
    from hdbscan.hdbscan_ import _tree_to_labels  # cuts the hierarchy for another size

    labels, strengths, stabilities, *_ = _tree_to_labels(
        points, hierarchy, size, max_cluster_size=most
    )
    order = np.argsort(-np.bincount(labels[labels >= 0], minlength=len(stabilities)), kind="stable")
    ordered = np.append(np.argsort(order), -1).astype(np.int32)[labels]  # noise stays -1
    nearest, votes = assign_noise(points, ordered)
    return Clustering(
        labels=ordered,
        nearest=nearest,
        strengths=np.where(ordered < 0, votes, strengths).astype(np.float32),
        stabilities=np.asarray(stabilities)[order],
        min_cluster_size=size,
        modularity=modularity(edges, nearest),
    )


def modularity(indices: npt.NDArray[np.int32], labels: Labels) -> float:
    """Return the share of edges of the graph (n, k) that lie inside a cluster, minus the share that
    is expected if edges join points at random. -1 counts as a cluster.

    Leicht, Newman: Community Structure in Directed Networks, Physical Review Letters 100 (2008).
    """
    there = indices >= 0
    source = np.broadcast_to(labels[:, None], indices.shape)[there] + 1
    target = labels[indices[there]] + 1
    if not source.size:
        return 0.0
    count = labels.max() + 2
    leaving = np.bincount(source, minlength=count) / len(source)
    arriving = np.bincount(target, minlength=count) / len(source)
    return float((source == target).mean() - leaving @ arriving)
