"""The neighbour graph: when it is extended or made again, its centre, recall and reports."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.progress import Reports
from support.vectors import cloud, collection, commit, drop_every

from embedtool.core.types import unit_rows
from embedtool.explore import neighbour_graph as module
from embedtool.explore.neighbour_graph import neighbour_graph, saved_graph
from embedtool.search.all_pairs import AllPairs
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The rows of each search."""
    rows = []
    search = AllPairs.nearest

    def recorded(self: AllPairs, which: np.ndarray, k: int, **options: Any) -> Any:
        rows.append(which.tolist())
        return search(self, which, k, **options)

    monkeypatch.setattr(AllPairs, "nearest", recorded)
    return rows


@pytest.mark.parametrize(("before", "all_again"), [(99, False), (98, True)])
def test_all_are_searched_again_if_over_a_tenth_is_new(
    tmp_path: Path, searched: list[list[int]], before: int, all_again: bool
) -> None:
    with Writer(collection(tmp_path / "index", cloud(before, 0))) as writer:
        first = neighbour_graph(writer)
        commit(writer, cloud(11, 1), before)
        second = neighbour_graph(writer)
    assert searched == [[*range(before)], [*range(0 if all_again else before, before + 11)]]
    assert np.array_equal(first.centre, second.centre) != all_again


def test_what_lost_a_neighbour_is_searched_again(tmp_path: Path, searched: list[list[int]]) -> None:
    with Writer(collection(tmp_path / "index", cloud(100, 0))) as writer:
        first = neighbour_graph(writer)
        drop_every(writer, 20)  # 0, 20, 40, 60 and 80
        second = neighbour_graph(writer)
        kept = [n for n in range(100) if n % 20]
        lost = [p for p, n in enumerate(kept) if (first.indices[n] % 20 == 0).any()]
        assert searched[1] == lost and 0 < len(lost) < 95
        assert second.ids.tolist() == first.ids[kept].tolist()
        for place in sorted({*range(95)} - {*lost}):
            neighbours = second.ids[second.indices[place]].tolist()
            assert neighbours == first.ids[first.indices[kept[place]]].tolist()
            assert np.array_equal(second.similarities[place], first.similarities[kept[place]])


def test_it_reports_rows_that_are_compared_and_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 40)
    reports = Reports()
    with Writer(collection(tmp_path / "index", cloud(100, 0))) as writer:
        neighbour_graph(writer, progress=reports)
        assert reports.calls == [("finding neighbours", 100, 100)]
        commit(writer, cloud(5, 1), 100)
        neighbour_graph(writer, progress=reports)
        stage = "comparing with new images"
        assert reports.calls[1:] == [
            *((stage, done, 100) for done in (40, 80, 100)),
            ("finding neighbours", 5, 5),
        ]
        neighbour_graph(writer, progress=reports)
        assert len(reports.calls) == 5, "nothing is left to do"


@pytest.mark.parametrize(("count", "step"), [(1, 1), (20, 1), (21, 2), (40, 2), (61, 4)])
def test_the_centre_is_the_mean_of_evenly_spaced_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, step: int
) -> None:
    monkeypatch.setattr(module, "CENTRE_SAMPLE", 20)
    with Writer(collection(tmp_path / "index", cloud(count, 0))) as writer:
        places = writer.places_after(0)
        rows = writer.rows_at(places).astype(np.float64)
        mean = rows[::step].mean(0) if count > 1 else 0 * rows[0]  # one vector has no spread
        assert module._centre(writer, places) == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize(("variance", "spread"), [(2e-6, True), (0.5e-6, False)])
def test_vectors_that_are_nearly_equal_have_no_centre(
    tmp_path: Path, variance: float, spread: bool
) -> None:
    rows = np.array([[1, 1, np.sqrt(2 * variance)], [1, 1, -np.sqrt(2 * variance)]])
    with Writer(collection(tmp_path / "index", unit_rows(rows))) as writer:
        centre = module._centre(writer, writer.places_after(0))
    assert centre == pytest.approx([spread * np.sqrt(0.5)] * 2 + [0], abs=1e-3)


@pytest.mark.parametrize(("count", "k"), [(60, 40), (61, 16)])
def test_large_graphs_have_fewer_neighbours_and_are_symmetrised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, k: int
) -> None:
    symmetrised = []
    symmetrise: Callable[..., None] = module._symmetrise

    def recorded(*graph: np.ndarray) -> None:
        symmetrised.append(len(graph[0]))
        symmetrise(*graph)

    monkeypatch.setattr(module, "EXACT_ROWS", 60)
    monkeypatch.setattr(module, "RECALL_SAMPLE", 30)
    monkeypatch.setattr(module, "_symmetrise", recorded)
    with Writer(collection(tmp_path / "index", cloud(count, 0))) as writer:
        graph = neighbour_graph(writer)
    assert graph.indices.shape == (count, k)
    assert symmetrised == [61] * (count > 60)
    assert graph.recall == 1


def test_recall_is_the_share_of_exact_neighbours_that_were_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 250 rows, all are in the sample; a fifth of them lack half their four neighbours."""
    truth = np.add.outer(np.arange(250), [1, 2, 3, 4])
    found = truth[:, ::-1].copy()
    found[::5, :2] = -1
    calls = []

    def nearest(which: np.ndarray, k: int, *, exact: bool) -> tuple[None, np.ndarray]:
        calls.append((which.tolist(), k, exact))
        return None, truth[which]

    pairs: Any = SimpleNamespace(nearest=nearest)
    assert module._recall(pairs, found) == 1 and calls == [], "so few are searched exactly"
    monkeypatch.setattr(module, "EXACT_ROWS", 249)
    assert module._recall(pairs, found) == 0.9
    assert calls == [([*range(250)], 4, True)]


def test_a_saved_graph_is_used_while_it_matches(tmp_path: Path) -> None:
    path = collection(tmp_path / "index", cloud(50, 0))
    with IndexReader(path) as index:
        assert saved_graph(index) is None
    with Writer(path) as writer:
        graph = neighbour_graph(writer)
        saved = saved_graph(writer)
        assert saved is not None and saved.recall == graph.recall
        for name in ("ids", "indices", "similarities", "centre"):
            assert np.array_equal(getattr(saved, name), getattr(graph, name))
        commit(writer, cloud(1, 1), 50)
        assert saved_graph(writer) is None
