"""The order of rows in the FAISS index, and what it proposes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.vectors import cloud, share_found

from embedtool.search.centre import directions, no_centre
from embedtool.search.exact import nearest
from embedtool.search.faiss_index import FaissIndex, _project, locality_order, principal_axes


@given(n=st.integers(1, 50), axes=st.integers(0, 16), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_the_locality_order_has_every_row_once(n: int, axes: int, seed: int) -> None:
    along = np.random.default_rng(seed).normal(size=(n, axes)).astype(np.float32)
    assert sorted(locality_order(along).tolist()) == list(range(n))


def test_the_locality_order_keeps_groups_together() -> None:
    random = np.random.default_rng(0)
    groups = random.permutation(np.repeat(np.arange(4), 25))
    centres = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], np.float32)
    rows = centres[groups] + random.normal(0, 0.1, (100, 2)).astype(np.float32)
    assert groups[locality_order(rows)].tolist() == [0] * 25 + [1] * 25 + [2] * 25 + [3] * 25


def test_the_axes_of_most_spread_come_first() -> None:
    axes = principal_axes(cloud(500, 0))
    spread = (cloud(500, 0) @ axes.T) ** 2
    assert (np.diff(spread.sum(0)) <= 1e-3).all()
    assert np.allclose(axes @ axes.T, np.eye(len(axes)), atol=1e-5)


@pytest.mark.parametrize("axes", [9, 16])
def test_what_is_stored_has_length_one_and_the_coordinates_along_the_axes(axes: int) -> None:
    rows = cloud(300, 0)
    by = principal_axes(rows)[:axes]
    made = FaissIndex.empty("HNSW24_SQ8", rows, by, no_centre(rows.shape[1]))
    projected = _project(made._rotation(), rows)
    assert projected.shape == (300, axes + 1)
    assert np.allclose(projected[:, :-1], rows @ by.T, atol=1e-6)
    assert np.allclose(np.linalg.norm(projected, axis=1), 1, atol=1e-6)
    assert made.graph_axes.shape == (16, rows.shape[1])
    assert np.allclose(made.graph_axes[:axes], by) and not made.graph_axes[axes:].any()


def test_a_guess_at_what_lies_off_the_axes_ranks_better(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, queries = cloud(3000, 0), cloud(200, 1)
    ids = np.arange(len(rows))
    centre = rows.mean(0)
    towards, queries = directions(rows, centre), directions(queries, centre)
    made = FaissIndex.empty("HNSW24_SQ8", towards, principal_axes(towards)[:9], centre)
    made.add(ids, rows)
    _, truth = nearest(queries, [(ids, towards)], 10)
    guessed = made.propose(queries, 30, 256)
    assert guessed[7:8].tolist() == made.propose(queries[7:8], 30, 256).tolist(), "alone or not"
    monkeypatch.setattr("embedtool.search.faiss_index.RESIDUAL_WEIGHT", 0)
    left_out = made.propose(queries, 30, 256)
    assert share_found(guessed, truth) > share_found(left_out, truth) + 0.02
