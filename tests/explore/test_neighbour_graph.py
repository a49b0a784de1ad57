"""The graph of neighbours against plain numpy, made, saved, extended and made again."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.vectors import COUNT, cloud, collection, commit, drop_every
from support.vectors import built as built
from support.vectors import large as large

from embedtool.core.types import unit_rows
from embedtool.explore import neighbour_graph as graph_module
from embedtool.explore.neighbour_graph import Graph, neighbour_graph
from embedtool.search import all_pairs, build_approximate, searcher
from embedtool.search.all_pairs import AllPairs
from embedtool.search.build_approximate import build_search_index
from embedtool.store.writer import Writer


def expected(writer: Writer, k: int, made: Graph | None = None) -> Graph:
    """The graph as a full sort gives it, from the mean or from the centre of one that was made."""
    rows = writer.rows_at(writer.places_after(0))
    centre = rows.mean(0) if made is None else made.centre
    rows = rows - centre if len(rows) > 1 else rows
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    similarities = rows @ rows.T
    np.fill_diagonal(similarities, -np.inf)
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(similarities, order, 1)
    return Graph(writer.places_after(0)["id"], order.astype(np.int32), best, centre, 1.0)


def check(found: Graph, true: Graph) -> None:
    assert found.ids.tolist() == true.ids.tolist()
    assert found.indices.dtype == np.int32 and found.similarities.dtype == np.float32
    assert np.allclose(found.similarities, true.similarities, atol=1e-6)
    assert (found.indices != true.indices).sum() <= true.indices.size // 1000  # ties


def test_a_graph_is_what_a_full_sort_gives(tmp_path: Path) -> None:
    with Writer(collection(tmp_path / "index", cloud(700, 0))) as writer:
        graph = neighbour_graph(writer)
        assert graph.recall == 1
        check(graph, expected(writer, 40))


def test_it_is_saved_and_extended_by_what_came_and_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Writer(collection(tmp_path / "index", cloud(700, 0))) as writer:
        first = neighbour_graph(writer)
        searched = []
        search = AllPairs.nearest

        def counted(self, which, k, **options):  # type: ignore[no-untyped-def]
            searched.append(len(which))
            return search(self, which, k, **options)

        monkeypatch.setattr(AllPairs, "nearest", counted)
        neighbour_graph(writer)
        assert searched == []
        commit(writer, cloud(30, 2), 700)
        check(neighbour_graph(writer), expected(writer, 40, first))
        assert searched == [30]
        drop_every(writer, 200)
        check(neighbour_graph(writer), expected(writer, 40, first))
        assert searched[1] < 726, "only those that lost a neighbour are searched again"
        drop_every(writer, 3)
        check(neighbour_graph(writer), expected(writer, 40))
        assert searched[2] == writer.counts()["vectors"]


def test_it_is_extended_where_every_vector_has_lost_a_neighbour(tmp_path: Path) -> None:
    with Writer(collection(tmp_path / "index", cloud(41, 0))) as writer:
        first = neighbour_graph(writer)  # 40 neighbours: all the others
        writer.drop([next(writer.rows()).id], [])
        commit(writer, cloud(1, 2), 41)
        check(neighbour_graph(writer), expected(writer, 40, first))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_small_ones_have_as_many_as_there_are(tmp_path: Path, count: int) -> None:
    with Writer(collection(tmp_path / "index", cloud(count, 0))) as writer:
        graph = neighbour_graph(writer)
        assert graph.indices.shape == (count, count - 1)
        check(graph, expected(writer, count - 1))
        drop_every(writer, 1)
        assert neighbour_graph(writer).indices.shape == (0, 0)


def test_equal_vectors_are_not_their_own_neighbours(tmp_path: Path) -> None:
    rows = unit_rows(np.ones((90, 8), np.float32))
    with Writer(collection(tmp_path / "index", rows)) as writer:
        graph = neighbour_graph(writer)
        assert graph.indices.shape == (90, 40)
        assert (graph.indices != np.arange(90)[:, None]).all()
        assert np.allclose(graph.similarities, 1)


def test_what_was_derived_of_a_removed_catalogue_goes_with_it(tmp_path: Path) -> None:
    path = collection(tmp_path / "index", cloud(200, 0))
    with Writer(path) as writer:
        neighbour_graph(writer)
    (path / "catalog.sqlite").unlink()
    shutil.rmtree(path / "vectors")
    with Writer(collection(path, cloud(200, 1))) as writer:  # the same ids, of other vectors
        check(neighbour_graph(writer), expected(writer, 40))


@pytest.mark.parametrize("kind", ["npz", "json"])
def test_a_damaged_graph_is_made_again(tmp_path: Path, kind: str) -> None:
    path = collection(tmp_path / "index", cloud(200, 0))
    with Writer(path) as writer:
        good = neighbour_graph(writer)
        [file] = (path / "derived").glob(f"*.{kind}")
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
        check(neighbour_graph(writer), good)
        assert [f.suffix for f in sorted((path / "derived").iterdir())] == [".npz", ".json"]
    shutil.rmtree(path / "derived")
    with Writer(path) as writer:
        check(neighbour_graph(writer), good)


@given(n=st.integers(2, 30), k=st.integers(1, 6), seed=st.integers(0, 999))
@settings(max_examples=100, deadline=None)
def test_edges_are_symmetrised(n: int, k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = unit_rows(random.normal(size=(n, 5)))
    similarities = rows @ rows.T
    similarities = np.maximum(similarities, similarities.T)  # the same both ways, to the last bit
    np.fill_diagonal(similarities, -np.inf)
    best, found = np.full((n, k), -np.inf, np.float32), np.full((n, k), -1, np.int64)
    for own in range(n):  # each knows some of the others
        others = [other for other in range(n) if other != own and random.random() < 0.4]
        others = sorted(others, key=lambda other: -similarities[own, other])[:k]
        found[own, : len(others)] = others
        best[own, : len(others)] = similarities[own, others]
    edges = [set(row.tolist()) - {-1} for row in found]
    graph_module._symmetrise(best, found)
    for own in range(n):
        known = edges[own] | {other for other in range(n) if own in edges[other]}
        expected = sorted(known, key=lambda other: -similarities[own, other])[:k]
        assert found[own, : len(expected)].tolist() == expected
        assert best[own, : len(expected)].tolist() == similarities[own, expected].tolist()
        assert (found[own, len(expected) :] == -1).all()


@pytest.mark.slow
@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("max_memory", [None, 1_000_000])  # a graph, lists
def test_of_many_it_is_approximate_and_says_how_well(
    large: Path, monkeypatch: pytest.MonkeyPatch, max_memory: int | None, in_memory: bool
) -> None:
    for module in (graph_module, all_pairs):
        monkeypatch.setattr(module, "EXACT_ROWS", 500)
    if not in_memory:
        monkeypatch.setattr(all_pairs, "IN_MEMORY_VECTORS", 500)
    with Writer(large) as writer:
        if max_memory:
            assert "IVF" in build_search_index(writer, min_recall=0.9, max_memory=max_memory).method
        commit(writer, cloud(100, 2), COUNT)  # added to a copy of the approximate index
        writer.drop([row.id for row in writer.rows()][::50], [])
        graph = neighbour_graph(writer)
        true = expected(writer, 16, graph)
        share = (graph.indices[:, :, None] == true.indices[:, None, :]).any(2).mean()
        assert share > (0.9 if max_memory else 0.95)
        assert abs(graph.recall - share) < 0.02
        assert (graph.indices >= 0).all()
        assert (graph.indices != np.arange(len(graph.ids))[:, None]).all()
        assert (np.diff(graph.similarities) <= 1e-6).all()
        rows = writer.rows_at(writer.places_after(0)) - graph.centre
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        exact = np.einsum("nd,nkd->nk", rows, rows[graph.indices])
        assert np.allclose(graph.similarities, exact, atol=1e-3)


def test_of_many_with_few_dimensions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (graph_module, all_pairs, build_approximate, searcher):
        monkeypatch.setattr(module, "EXACT_ROWS", 500)
    rows = unit_rows(np.random.default_rng(0).normal(size=(2000, 12)))
    with Writer(collection(tmp_path / "index", rows)) as writer:
        assert build_search_index(writer).meets(0.99, None)
        graph = neighbour_graph(writer)
        true = expected(writer, 16, graph)
        assert (graph.indices[:, :, None] == true.indices[:, None, :]).any(2).mean() > 0.9
