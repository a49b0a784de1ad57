"""Exact search against plain numpy."""

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedtool.core.types import unit_rows
from embedtool.errors import ModelMismatch, UsageError
from embedtool.search.centre import NO_SPREAD, directions
from embedtool.search.exact import check_similarity, nearest, similarities_at, threads_for, within


@given(
    n=st.integers(1, 60),
    m=st.integers(1, 5),
    k=st.integers(1, 12),
    cut=st.integers(1, 59),
    seed=st.integers(0, 999),
)
@settings(max_examples=60, deadline=None)
def test_equals_a_full_sort(n: int, m: int, k: int, cut: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows, queries = unit_rows(random.normal(size=(n, 7))), unit_rows(random.normal(size=(m, 7)))
    ids = random.permutation(1000)[:n].astype(np.int64)
    blocks = [(ids[:cut], rows[:cut]), (ids[cut:], rows[cut:])]
    similarities, found = nearest(queries, [b for b in blocks if len(b[0])], k)
    for row, own, query in zip(similarities, found, queries, strict=True):
        expected = sorted(zip(-(rows @ query), ids, strict=True))[:k]
        assert own[: len(expected)].tolist() == [id for _, id in expected]
        assert np.allclose(row[: len(expected)], [-s for s, _ in expected], atol=1e-5)
        assert (own[len(expected) :] == -1).all()


def test_similarity_stays_within_one() -> None:
    rows = unit_rows(np.random.default_rng(0).normal(size=(50, 1280)))
    similarities, found = nearest(rows, [(np.arange(50), rows)], 1)
    assert found[:, 0].tolist() == list(range(50))
    assert similarities.max() <= 1 and similarities.min() > 1 - 1e-6


def test_equal_rows_are_ordered_by_id() -> None:
    row = unit_rows(np.array([[1.0, 1.0]]))
    blocks = [(np.array([7, 3]), np.vstack([row, row])), (np.array([5]), row)]
    assert nearest(row, blocks, 3)[1].tolist() == [[3, 5, 7]]


@given(n=st.integers(1, 40), m=st.integers(1, 5), c=st.integers(1, 9), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_similarities_at_places_are_the_products(n: int, m: int, c: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows, queries = unit_rows(random.normal(size=(n, 7))), unit_rows(random.normal(size=(m, 7)))
    where = random.integers(n, size=(c, m)).T  # not contiguous
    expected = np.take_along_axis(queries @ rows.T, where, 1)
    longer = rows * random.uniform(0.5, 2, (n, 1)).astype(np.float32)
    found = similarities_at(queries, longer, where, np.zeros(7, np.float32))
    assert np.allclose(found, expected, atol=1e-6)
    centre = longer.mean(0) * np.float32(0.3)
    towards = directions(queries, centre)
    expected = np.take_along_axis(towards @ directions(rows, centre).T, where, 1)
    assert np.allclose(similarities_at(towards, longer, where, centre), expected, atol=1e-5)


@given(n=st.integers(1, 60), m=st.integers(1, 5), k=st.integers(1, 12), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_similarity_from_a_centre_is_that_of_the_directions(
    n: int, m: int, k: int, seed: int
) -> None:
    """Of one query, of several, and with fewer rows than are wanted."""
    random = np.random.default_rng(seed)
    rows, queries = unit_rows(random.normal(size=(n, 7))), unit_rows(random.normal(size=(m, 7)))
    centre = (rows.mean(0) * 0.9).astype(np.float32)
    towards, ids = directions(queries, centre), np.arange(n) * 2
    expected = nearest(towards, [(ids, directions(rows, centre))], k)
    found = nearest(towards, [(ids, rows)], k, centre=centre)
    assert found[1].tolist() == expected[1].tolist()
    assert np.allclose(found[0], expected[0], atol=1e-5)
    line = float(expected[0][0, 0]) - 0.1
    for own, true in zip(
        within(towards, [(ids, rows)], line, centre=centre),
        within(towards, [(ids, directions(rows, centre))], line),
        strict=True,
    ):
        assert own[1].tolist() == true[1].tolist() and np.allclose(own[0], true[0], atol=1e-5)


def test_a_vector_close_to_the_centre_has_a_similarity() -> None:
    """As close as one can be, see NO_SPREAD: rounding changes its distance, but never to 0."""
    rows = np.eye(2, 7, dtype=np.float32)
    centre = rows[0] * np.float32(np.sqrt(1 - NO_SPREAD))
    towards = directions(rows, centre)
    near, ids = nearest(towards, [(np.arange(2), rows)], 2, centre=centre)
    assert ids.tolist() == [[0, 1], [1, 0]] and (near[:, 0] > 0.5).all()
    assert near.min() >= -1 and near.max() <= 1
    at_itself = similarities_at(towards, rows, np.array([[0], [1]]), rows[0])
    assert at_itself.min() >= -1 and at_itself.max() <= 1


@pytest.mark.parametrize(("rows", "queries"), [(3, 2), (2, 3)])
def test_queries_of_another_width_are_refused(rows: int, queries: int) -> None:
    block = (np.arange(rows), np.eye(rows, dtype=np.float32))
    message = f"expected queries of {rows} dimensions, received {queries}"
    with pytest.raises(ModelMismatch, match=message):
        nearest(np.eye(queries, dtype=np.float32), [block], 1)
    with pytest.raises(ModelMismatch, match=message):
        within(np.eye(queries, dtype=np.float32), [block], 0)


@pytest.mark.parametrize("similarity", [None, -1, -0.5, 0, 1])
def test_what_can_be_a_cosine(similarity: float | None) -> None:
    check_similarity(similarity)


@pytest.mark.parametrize("similarity", [-1.5, -1.0001, 1.0001, 2, float("nan")])
def test_what_cannot_be_a_cosine(similarity: float) -> None:
    with pytest.raises(UsageError, match=f"from -1 to 1, received {similarity}"):
        check_similarity(similarity)


@pytest.mark.parametrize(("queries", "threads"), [(1, 1), (2, 3)])
def test_a_single_query_takes_one_thread(queries: int, threads: int) -> None:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        with threads_for(np.zeros((queries, 4), np.float32)):
            assert faiss.omp_get_max_threads() == threads
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)


@given(n=st.integers(1, 60), cut=st.integers(1, 59), seed=st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_a_range_is_every_row_above_the_line(n: int, cut: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows, queries = unit_rows(random.normal(size=(n, 5))), unit_rows(random.normal(size=(3, 5)))
    ids = random.permutation(1000)[:n].astype(np.int64)
    blocks = [b for b in ((ids[:cut], rows[:cut]), (ids[cut:], rows[cut:])) if len(b[0])]
    for query, (similarities, found) in zip(queries, within(queries, blocks, 0.25), strict=True):
        own = rows @ query
        assert set(found.tolist()) == set(ids[own >= 0.25].tolist())
        assert (np.diff(similarities) <= 0).all()
