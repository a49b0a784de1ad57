"""Layouts: principal coordinates, what UMAP is given, and the position of a new point on a map."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from support.progress import Reports

from embedtool.core.types import unit_rows
from embedtool.explore import umap_layout as module
from embedtool.explore.umap_layout import (
    chordal,
    memberships,
    place_on_map,
    principal_coordinates,
    umap_layout,
)


def plain_memberships(distances: np.ndarray) -> np.ndarray:
    """The weights exp(-(distance - least) / width) whose sum is log2(k), by another root finder."""
    beyond = distances - distances.min()

    def excess(width: float) -> float:
        return float(np.exp(-beyond / width).sum() - np.log2(len(distances)))

    return np.asarray(np.exp(-beyond / brentq(excess, 1e-3, 1e3, xtol=1e-14)))


@pytest.mark.parametrize("k", [5, 15, 40])
def test_memberships_sum_to_log2_of_the_neighbours(k: int) -> None:
    distances = np.sort(np.random.default_rng(k).uniform(0.4, 1.2, k))
    weights = memberships(distances)
    assert weights.sum() == pytest.approx(np.log2(k), rel=1e-9)
    assert weights == pytest.approx(plain_memberships(distances), rel=1e-9)


@pytest.mark.parametrize(
    ("distances", "expected"),
    [
        ([0.7], [1]),
        ([0.7, 0.7], [1, 1]),
        ([0.7, 0.9], [1, 0]),  # the first alone weighs log2(2)
        ([0.0, 0, 0, 0, 0], [1, 1, 1, 1, 1]),
        ([0.7, 0.7, 0.7, 0.7, 0.9], [1, 1, 1, 1, 0]),  # the equal ones already exceed log2(5)
        ([1, 2, 3, 4], plain_memberships(np.arange(4))),  # the least distance does not matter
        ([0, 1e-6, 2e-6, 3e-6], plain_memberships(np.arange(4))),  # nor does the unit
    ],
)
def test_memberships_of_few_and_of_equal_neighbours(
    distances: list[float], expected: list[float]
) -> None:
    assert memberships(np.array(distances, float)) == pytest.approx(expected, abs=1e-9)


def test_chordal_is_the_straight_line_between_unit_rows() -> None:
    rows = unit_rows(np.random.default_rng(0).normal(size=(6, 5))).astype(np.float64)
    similarities = (rows[:1] @ rows[1:].T)[0]
    assert chordal(similarities) == pytest.approx(np.linalg.norm(rows[0] - rows[1:], axis=1))
    assert chordal(np.array([1.0, -1.0, 1 + 1e-9])).tolist() == [0, 2, 0]


def test_a_new_point_is_at_the_median_weighted_by_membership() -> None:
    random = np.random.default_rng(1)
    similarities = -np.sort(-random.uniform(0.3, 0.95, 15))
    coordinates = random.normal(scale=3, size=(15, 2)).astype(np.float32)
    weights = plain_memberships(np.sqrt(2 - 2 * similarities))

    def cost(position: np.ndarray) -> float:
        return float(weights @ np.linalg.norm(coordinates - position, axis=1))

    found = place_on_map(similarities, coordinates)
    best = minimize(cost, coordinates.mean(0), method="Nelder-Mead", options={"xatol": 1e-7}).x
    assert found.dtype == np.float32
    assert found == pytest.approx(best, abs=1e-3)
    mean = weights @ coordinates / weights.sum()
    assert np.linalg.norm(found - mean) > 0.1, "the mean is elsewhere"
    plain = minimize(lambda p: np.linalg.norm(coordinates - p, axis=1).sum(), mean).x
    assert np.linalg.norm(found - plain) > 0.1, "so is the median without weights"


@pytest.mark.parametrize(
    ("similarities", "coordinates", "expected"),
    [
        ([0.5], [[3, -4]], [3, -4]),
        ([0.5, 0.5], [[0, 0], [4, 2]], [2, 1]),  # of all medians, the mean of the two
        ([0.9, 0.5], [[7, 1], [4, 2]], [7, 1]),  # all weight is on the nearer one
        ([1, 1, 1], [[0, 0], [6, 0], [1, 0]], [1, 0]),  # the middle one of a line
        ([0.5] * 4, [[0, 0], [2, 2], [8, 0], [0, 4]], [2, 2]),  # inside the triangle of the rest
        ([0.5] * 4, [[0, 0], [9, 3], [9, 0], [0, 3]], [4.5, 1.5]),  # where the diagonals cross
        ([0.9, 0.9, 0.9, 0.9, 0.1], [[1, 1], [1, 1], [1, 1], [1, 1], [90, 90]], [1, 1]),
    ],
)
def test_the_median_of_a_few_neighbours(
    similarities: list[float], coordinates: list[list[float]], expected: list[float]
) -> None:
    found = place_on_map(np.array(similarities, float), np.array(coordinates, np.float32))
    assert found == pytest.approx(expected, abs=2e-3)


def blocks_of(rows: np.ndarray, *sizes: int) -> Any:
    parts = np.split(rows, np.cumsum(sizes))

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return ((np.zeros(len(part), np.int64), part) for part in parts)

    return blocks


@pytest.mark.parametrize(
    ("most", "step"), [(50, 1), (49, 2), (25, 2), (24, 3), (17, 3), (16, 4), (10, 5)]
)
def test_principal_coordinates_are_those_of_numpy(
    monkeypatch: pytest.MonkeyPatch, most: int, step: int
) -> None:
    """Of 50 rows at most `most` define the axes: one in every `step`."""
    monkeypatch.setattr(module, "AXES_ROWS", most)
    random = np.random.default_rng(0)
    rows = unit_rows(random.normal(size=(50, 8)) * np.geomspace(3, 0.3, 8) + 1)
    sample = rows[::step].astype(np.float64)
    axes = np.linalg.svd(sample - sample.mean(0))[2][:3]
    axes *= [[1 if axis.max() > -axis.min() else -1] for axis in axes]
    found = principal_coordinates(blocks_of(rows, 7, 13, 1), 50, 3)
    assert found.dtype == np.float32
    assert found == pytest.approx((rows - sample.mean(0)) @ axes.T, abs=1e-5)


def test_no_more_axes_than_dimensions() -> None:
    rows = unit_rows(np.array([[1, 0], [0, 1], [1, 1]], np.float32))
    assert principal_coordinates(blocks_of(rows, 3), 3, 10).shape == (3, 2)


class FakeUmap:
    """Records what it is given, and returns the initial layout."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

    def find_ab_params(self, spread: float, min_dist: float) -> tuple[float, float]:
        self.given |= {"spread": spread, "min_dist": min_dist}
        return spread + min_dist, spread - min_dist

    def fuzzy_simplicial_set(
        self, points: object, count: int, random: object, metric: str, **knn: np.ndarray
    ) -> tuple[str, None, None]:
        self.given |= {"count": count, "metric": metric, **knn}
        return "graph", None, None

    def simplicial_set_embedding(self, **given: Any) -> tuple[np.ndarray, None]:
        self.given |= given
        if bar := given["tqdm_kwds"].get("file"):
            for text in ("0\r", "\n", " 7 ", ""):
                bar.write(text)
                bar.flush()
        return np.asfortranarray(given["init"], np.float64), None


@pytest.fixture
def umap(monkeypatch: pytest.MonkeyPatch) -> FakeUmap:
    fake = FakeUmap()
    monkeypatch.setattr(module, "import_umap", lambda: fake)
    return fake


INDICES = np.array([[1, 2], [0, 2], [1, -1]], np.int32)
SIMILARITIES = np.array([[0.875, 0.5], [0.875, 0.5], [0.5, -np.inf]], np.float32)
START = np.array([[4, -8], [4, -8], [0, 2]], np.float32)


def test_umap_is_given_the_nearest_neighbours_and_a_start(umap: FakeUmap) -> None:
    reports = Reports()
    found = umap_layout(INDICES, SIMILARITIES, START, min_dist=0.25, progress=reports)
    given = umap.given
    assert given["count"] == 3 and given["n_components"] == 2 and given["n_epochs"] == 500
    assert given["knn_indices"].tolist() == [[0, 1, 2], [1, 0, 2], [2, 1, -1]]
    assert given["knn_dists"].tolist() == [[0, 0.5, 1], [0, 0.5, 1], [0, 1, 2]]
    assert (given["spread"], given["min_dist"], given["a"], given["b"]) == (1, 0.25, 1.25, 0.75)
    assert (given["initial_alpha"], given["gamma"], given["negative_sample_rate"]) == (1, 1, 5)
    assert given["graph"] == "graph" and given["metric"] == "euclidean"
    assert given["init"] == pytest.approx(START / 8, abs=1e-4)
    assert not np.array_equal(given["init"][0], given["init"][1]), "UMAP cannot part equal points"
    assert found.tolist() == given["init"].tolist()
    assert found.dtype == np.float32 and found.flags.c_contiguous
    assert reports.calls == [("laying out", 0, 500), ("laying out", 7, 500)]


@pytest.mark.parametrize(("neighbours", "used"), [(2, 1), (3, 2), (15, 2)])
def test_a_point_counts_among_its_neighbours(umap: FakeUmap, neighbours: int, used: int) -> None:
    umap_layout(INDICES, SIMILARITIES, START, neighbours=neighbours)
    assert umap.given["count"] == used + 1
    assert umap.given["knn_indices"].shape == umap.given["knn_dists"].shape == (3, used + 1)
    assert umap.given["tqdm_kwds"] == {"disable": True}


@pytest.mark.parametrize(
    ("n", "epochs", "used"), [(10_000, None, 500), (10_001, None, 200), (10_001, 7, 7)]
)
def test_a_small_map_gets_more_epochs(
    umap: FakeUmap, n: int, epochs: int | None, used: int
) -> None:
    indices, similarities = np.ones((n, 1), np.int32), np.ones((n, 1), np.float32)
    umap_layout(indices, similarities, np.zeros((n, 2), np.float32), epochs=epochs)
    assert umap.given["n_epochs"] == used
    assert 0 < np.abs(umap.given["init"]).max() < 1e-4, "an axis without spread gets some"


def test_the_start_depends_on_the_seed_alone(umap: FakeUmap) -> None:
    first, second, other = (umap_layout(INDICES, SIMILARITIES, START, seed=s) for s in (3, 3, 4))
    assert np.array_equal(first, second) and not np.array_equal(first, other)
