"""The cut of the HDBSCAN hierarchy: which size is chosen, and what a cut contains."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hdbscan import HDBSCAN
from sklearn.metrics import adjusted_mutual_info_score

from embedtool.explore import hdbscan_cut
from embedtool.explore.hdbscan_cut import Clustering, cluster, modularity
from embedtool.explore.noise_assignment import assign_noise

Cuts = dict[tuple[int, int], tuple[int, float]]  # (size, most) -> clusters, modularity


def near(points: np.ndarray, k: int) -> np.ndarray:
    away = ((points[:, None] - points[None]) ** 2).sum(2)
    np.fill_diagonal(away, np.inf)
    return np.argsort(away, axis=1)[:, :k].astype(np.int32)


def blobs(*sizes: int, gap: float = 8) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 2) around the corners of a square, and the corner of each."""
    own = np.arange(len(sizes)).repeat(sizes)
    corners = gap * np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    noise = np.random.default_rng(0).normal(size=(len(own), 2))
    return (corners[own] + noise).astype(np.float32), own


def test_blobs_are_found_and_detail_cuts_them_finer_and_coarser() -> None:
    points, own = blobs(90, 80, 70, 60)
    indices = near(points, 15)
    found = cluster(points, indices)
    assert adjusted_mutual_info_score(own, found.nearest) > 0.9
    assert found.labels.max() >= 3
    sizes = np.bincount(found.labels[found.labels >= 0])
    assert (np.diff(sizes) <= 0).all(), "the largest first"
    inside = found.labels >= 0
    assert (found.nearest[inside] == found.labels[inside]).all()
    assert (found.nearest >= 0).all()
    assert ((found.strengths >= 0) & (found.strengths <= 1)).all()
    finer = cluster(points, indices, detail=3)
    coarser = cluster(points, indices, detail=0.2)
    assert finer.labels.max() >= found.labels.max() >= coarser.labels.max()
    assert finer.min_cluster_size < found.min_cluster_size < coarser.min_cluster_size


def test_a_cut_is_what_hdbscan_finds_numbered_by_size() -> None:
    points, _ = blobs(30, 60, 20, 40, gap=5)
    indices = near(points, 20)
    found = cluster(points, indices)
    size = found.min_cluster_size
    plain = HDBSCAN(min_samples=5, min_cluster_size=size).fit(points.astype(np.float64))
    groups = [np.flatnonzero(plain.labels_ == label) for label in range(plain.labels_.max() + 1)]
    order = sorted(range(len(groups)), key=lambda label: -len(groups[label]))
    assert len({len(group) for group in groups}) == len(groups) > 2
    for number, label in enumerate(order):
        assert np.flatnonzero(found.labels == number).tolist() == groups[label].tolist()
    assert found.stabilities == pytest.approx(plain.cluster_persistence_[order])
    inside = found.labels >= 0
    assert {*found.labels[~inside].tolist()} == {-1}
    assert found.strengths[inside] == pytest.approx(plain.probabilities_[inside], abs=1e-6)
    nearest, votes = assign_noise(points.astype(np.float64), found.labels)
    assert found.nearest.tolist() == nearest.tolist()
    assert found.strengths[~inside] == pytest.approx(votes[~inside])
    assert found.modularity == modularity(indices[:, :15], nearest), "of 15 edges per point"


def test_ten_points_are_the_fewest_that_are_clustered() -> None:
    for others, labels in ((5, [0] * 5 + [1] * 5), (4, [-1] * 9)):
        points = np.repeat(np.array([[0], [1]], np.float32), [5, others], axis=0)
        assert cluster(points, near(points, 4)).labels.tolist() == labels


def test_a_few_far_groups_do_not_merge_all_the_rest() -> None:
    random = np.random.default_rng(0)
    centres = [(2.3 * (i % 4), 2.3 * (i // 4)) for i in range(12)] + [(1000, 0), (0, 1000)]
    points = np.concatenate([random.normal(centre, 0.5, (200, 2)) for centre in centres])
    found = cluster(points.astype(np.float32), near(points, 15))
    assert np.bincount(found.nearest).max() < 250
    assert adjusted_mutual_info_score(np.repeat(np.arange(14), 200), found.nearest) > 0.9


class NoTree:
    """Stands in for HDBSCAN where the cuts are made up."""

    single_linkage_tree_ = SimpleNamespace(to_numpy=lambda: None)

    def __init__(self, **_: object) -> None:
        pass

    def fit(self, _: object) -> "NoTree":
        return self


def chosen(
    monkeypatch: pytest.MonkeyPatch, n: int, cuts: Cuts, *, detail: float = 1, largest: int = 0
) -> tuple[int, int]:
    """Return the size and the limit of the cut that is chosen for n points. (size, limit) not in
    cuts: one cluster, modularity 0.01. largest: points in the largest cluster without a limit."""

    def made_up(points: object, tree: object, edges: object, size: int, most: int) -> Clustering:
        count, found = cuts.get((size, most), (1, 0.01))
        labels = np.where(np.arange(n) < (most or largest), 0, -1).astype(np.int32)
        strengths = np.full(n, most, np.float32)
        return Clustering(labels, labels, strengths, np.zeros(count), size, found)

    monkeypatch.setattr("hdbscan.HDBSCAN", NoTree)
    monkeypatch.setattr(hdbscan_cut, "_cut", made_up)
    found = cluster(np.zeros((n, 2), np.float32), np.zeros((n, 1), np.int32), detail=detail)
    return found.min_cluster_size, int(found.strengths.max())


@pytest.mark.parametrize(
    ("cuts", "size"),
    [
        ({5: (50, 0.899), 10: (30, 0.9), 15: (20, 0.95), 20: (8, 1.0)}, 10),
        ({5: (50, 0.909), 10: (30, 0.911), 15: (8, 1.0)}, 5),
        ({5: (50, 0.44), 10: (30, 0.46), 15: (20, 0.5)}, 10),  # 0.9 of the best, not 0.9
        ({5: (30, 0.91), 10: (30, 0.93), 15: (30, 0.92), 20: (8, 1.0)}, 10),
    ],
)
def test_the_most_clusters_near_the_best_modularity_are_chosen(
    monkeypatch: pytest.MonkeyPatch, cuts: dict[int, tuple[int, float]], size: int
) -> None:
    made = {(each, 0): cut for each, cut in cuts.items()}
    assert chosen(monkeypatch, 1200, made) == (size, 0)


@pytest.mark.parametrize("best", [0.0, -0.1])
def test_without_modularity_all_is_noise(monkeypatch: pytest.MonkeyPatch, best: float) -> None:
    cuts = {(size, 0): (3, best) for size in (5, 10, 15, 20)}
    assert chosen(monkeypatch, 1200, cuts) == (0, 0)


@pytest.mark.parametrize(
    ("smaller", "size"),
    [*pairwise((5, 10, 15, 20, 30, 45, 60, 90, 130, 200, 300, 450, 700, 1000, 1500))],
)
def test_sizes_up_to_a_sixtieth_of_all_points_are_tried(
    monkeypatch: pytest.MonkeyPatch, smaller: int, size: int
) -> None:
    """The measured figures depend on these sizes."""
    cuts = {(smaller, 0): (2, 0.8), (size, 0): (3, 0.8)}
    assert chosen(monkeypatch, 60 * size, cuts) == (size, 0)
    assert chosen(monkeypatch, 60 * size - 1, cuts) == (smaller, 0)


@pytest.mark.parametrize(("largest", "limit"), [(16, 15), (15, 0)])
def test_where_most_points_are_in_one_cluster_its_size_is_limited(
    monkeypatch: pytest.MonkeyPatch, largest: int, limit: int
) -> None:
    """Most of 31 points are 16."""
    cuts = {(5, 0): (2, 0.8), (5, 15): (3, 0.8), (2, 15): (9, 0.1)}
    assert chosen(monkeypatch, 31, cuts, largest=largest) == (5, limit)
    assert chosen(monkeypatch, 31, cuts, largest=largest, detail=3) == (2, limit), "5 / 3"
    assert chosen(monkeypatch, 31, cuts, largest=largest, detail=0.3) == (17, limit), "5 / 0.3"
    assert chosen(monkeypatch, 31, cuts, largest=largest, detail=99) == (2, limit), "at least 2"


def test_a_limited_cut_has_no_larger_cluster() -> None:
    """Three of four groups are near each other: without a limit they are one cluster of 90."""
    points, own = blobs(30, 30, 30, 40, gap=5)
    points[own == 3] += 1000
    found = cluster(points, near(points, 15))
    assert np.bincount(found.nearest).tolist() == [40, 30, 30, 30]
    coarser = cluster(points, near(points, 15), detail=0.5)
    assert coarser.min_cluster_size == 10
    assert np.bincount(coarser.nearest).tolist() == [40, 30, 30, 30]


def test_noise_goes_to_where_most_of_its_neighbours_are() -> None:
    points = np.array([[0.0], [1], [2], [10], [11], [1.2], [9]])
    nearest, votes = assign_noise(points, np.array([0, 0, 0, 1, 1, -1, -1], np.int32))
    assert nearest.tolist() == [0, 0, 0, 1, 1, 0, 0]
    assert votes.tolist() == [1, 1, 1, 1, 1, 0.6, 0.6]
    none = np.full(7, -1, np.int32)
    assert assign_noise(points, none)[0].tolist() == [-1] * 7
    assert assign_noise(points, none)[1].tolist() == [0] * 7


def test_fifteen_neighbours_vote() -> None:
    """Seven of the nearest fifteen of 0 are in one cluster, eight in the other."""
    points = np.array([[0.0], *([place] for place in range(1, 31))])
    labels = np.repeat([-1, 0, 1, 0], [1, 7, 8, 15]).astype(np.int32)
    nearest, votes = assign_noise(points, labels)
    assert (nearest[0], votes[0]) == (1, pytest.approx(8 / 15))
    assert nearest[1:].tolist() == labels[1:].tolist()


def test_noise_beside_one_point_of_one_cluster_goes_there() -> None:
    nearest, votes = assign_noise(np.array([[0.0], [1], [2]]), np.array([-1, 0, -1], np.int32))
    assert (nearest.tolist(), votes.tolist()) == ([0, 0, 0], [1, 1, 1])


def test_modularity_is_what_its_formula_says() -> None:
    indices = np.array([[1, 2], [0, 2], [1, 3], [4, 5], [3, 5], [4, 3]], np.int32)
    labels = np.array([0, 0, 0, 1, 1, 1], np.int32)
    edges = [(i, int(j)) for i in range(6) for j in indices[i]]
    arriving = np.bincount([j for _, j in edges], minlength=6)
    expected = sum(
        ((i, j) in edges) / 12 - 2 / 12 * arriving[j] / 12
        for i in range(6)
        for j in range(6)
        if labels[i] == labels[j]
    )
    assert modularity(indices, labels) == pytest.approx(expected, abs=1e-12)
    assert modularity(indices, np.zeros(6, np.int32)) == pytest.approx(0, abs=1e-12)


def test_modularity_leaves_missing_edges_out_and_takes_noise_for_a_cluster() -> None:
    indices = np.array([[1, -1], [0, 2], [3, -1], [2, 0]], np.int32)
    labels = np.array([0, 0, -1, -1], np.int32)
    # 6 edges: 4 inside; 3 leave each group, 3 arrive in each
    assert modularity(indices, labels) == pytest.approx(4 / 6 - (3 * 3 + 3 * 3) / 36)
    assert modularity(np.full((4, 2), -1, np.int32), labels) == 0
