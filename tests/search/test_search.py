"""Search against plain numpy: exact, and approximate with its certificate."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.vectors import COUNT, cloud, commit

from embedtool.collection.compact import compact_index
from embedtool.collection.inspect import index_info
from embedtool.collection.query import search_photos
from embedtool.core.types import Vectors, unit_rows
from embedtool.errors import IndexLocked, ModelMismatch, UsageError
from embedtool.search import (
    nearest,
    open_searcher,
    refresh,
    searcher,
    within,
)
from embedtool.search.exact import similarities_at
from embedtool.search.faiss_index import Approximate, principal_axes, walk
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer


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
    assert np.allclose(similarities_at(queries, longer, where), expected, atol=1e-6)


@given(n=st.integers(1, 50), axes=st.integers(0, 16), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_a_walk_goes_through_every_row_once(n: int, axes: int, seed: int) -> None:
    along = np.random.default_rng(seed).normal(size=(n, axes)).astype(np.float32)
    assert sorted(walk(along).tolist()) == list(range(n))


def test_a_walk_leaves_no_heap_before_it_was_through_it() -> None:
    random = np.random.default_rng(0)
    heaps = random.permutation(np.repeat(np.arange(4), 25))
    centres = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], np.float32)
    rows = centres[heaps] + random.normal(0, 0.1, (100, 2)).astype(np.float32)
    assert heaps[walk(rows)].tolist() == [0] * 25 + [1] * 25 + [2] * 25 + [3] * 25


def test_queries_of_another_width_are_refused() -> None:
    with pytest.raises(ModelMismatch, match="expected queries of 3 dimensions, received 2"):
        nearest(np.eye(2, dtype=np.float32), [(np.arange(3), np.eye(3, dtype=np.float32))], 1)


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


def truth(index: IndexReader, queries: Vectors, k: int) -> np.ndarray:
    ids, rows = (np.concatenate(part) for part in zip(*index.blocks(), strict=True))
    return np.asarray(
        ids[np.lexsort((ids[None].repeat(len(queries), 0), -(queries @ rows.T)))[:, :k]]
    )


def share(found: np.ndarray, expected: np.ndarray) -> float:
    pairs = zip(found.tolist(), expected.tolist(), strict=True)
    return sum(len({*own} & {*true}) for own, true in pairs) / expected.size


def test_the_certificate_tells_the_truth(large: Path) -> None:
    queries = cloud(300, 1)
    with IndexReader(large) as index, index.snapshot():
        found = open_searcher(index)
        certificate = found.certificate_for(10)
        assert certificate and certificate.vectors == COUNT and certificate.queries == 1000
        for k in (1, 10, 100):
            measured = share(found.nearest(queries, k)[1], truth(index, queries, k))
            assert measured > certificate.recall[str(k)] - 0.02, k
        assert found.certificate_for(101) is None, "it speaks of the 100 nearest"
        assert (found.nearest(queries[:5], 150)[1] == truth(index, queries[:5], 150)).all()
        similarities, ids = found.nearest(queries[:20], 5)
        rows = {
            int(id): row
            for ids, block in index.blocks()
            for id, row in zip(ids, block, strict=True)
        }
        for query, own, near in zip(queries, similarities, ids, strict=False):
            assert np.allclose(own, [rows[int(id)] @ query for id in near], atol=1e-6)
        assert index_info(large)["certificate"]["recall"] == certificate.recall


def test_what_came_and_went_is_seen_at_once(large: Path) -> None:
    with Writer(large) as writer:
        commit(writer, cloud(100, 2), COUNT)
        # Whole neighbourhoods go: all that is near three of the queries, and every third besides.
        queries = cloud(60, 3)
        gone = {int(id) for id in truth(writer, queries[:3], 400).ravel()} | {*range(1, COUNT, 3)}
        writer.drop([row.id for row in writer.rows() if row.id in gone], [])
    with IndexReader(large) as index, index.snapshot():
        found = open_searcher(index)
        assert found.certificate_for(10)
        _, ids = found.nearest(queries, 10)
        expected = truth(index, queries, 10)
        assert (expected > COUNT).any() and not {*ids.ravel().tolist()} & gone
        assert share(ids, expected) >= 0.98
        assert share(ids[:3], expected[:3]) >= 0.95


def test_an_index_run_makes_it_anew_when_much_has_changed(large: Path) -> None:
    before = index_info(large)["certificate"]
    with Writer(large) as writer:
        commit(writer, cloud(100, 2), COUNT)
        refresh.refresh_search(writer)
        assert index_info(large)["certificate"] == before
        commit(writer, cloud(300, 4), COUNT + 100)
        assert len(writer.segments()) == 6
        refresh.refresh_search(writer)
        [joined] = writer.segments()
        assert joined.rows == COUNT + 400, "a search reads few files"
    assert index_info(large)["certificate"]["vectors"] == COUNT + 400
    assert sum(file.suffix == ".faiss" for file in (large / "derived").iterdir()) == 1


@pytest.mark.parametrize("damage", ["content", "manifest", "lost"])
def test_a_damaged_one_is_not_believed_and_made_anew(large: Path, damage: str) -> None:
    [file] = (large / "derived").glob("*.faiss" if damage != "manifest" else "*.json")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.unlink()
    if damage != "lost":
        file.write_bytes(data)
    with IndexReader(large) as index, index.snapshot():
        with pytest.warns(UserWarning, match="searched exactly.*embedtool compact"):
            found = open_searcher(index)
        queries = cloud(10, 5)
        assert (found.nearest(queries, 10)[1] == truth(index, queries, 10)).all()
    compact_index(large)
    with IndexReader(large) as index, index.snapshot():
        assert open_searcher(index).certificate_for(10)


def test_recall_and_memory_are_asked_for(large: Path) -> None:
    [exact] = search_photos(large, rows=[7], k=4)
    assert exact.certificate and exact.matches[0].path == Path("/photos/0/00006.jpg")
    [small] = search_photos(large, rows=[7], min_recall=0.9, max_memory=1_000_000)
    assert small.certificate and small.certificate.method.startswith("IVF")
    assert small.certificate.memory_bytes <= 1_000_000 and small.certificate.recall["10"] >= 0.9
    with pytest.warns(UserWarning, match="no approximate index of these 4,000 vectors .* is exact"):
        [none] = search_photos(large, rows=[7], max_memory=1000)
    assert none.certificate is None and none.matches[0].path == Path("/photos/0/00006.jpg")
    with pytest.raises(UsageError, match=r"received 1\.5"):
        search_photos(large, rows=[7], min_recall=1.5)
    with Writer(large), pytest.raises(IndexLocked):
        search_photos(large, rows=[7], max_memory=2000)


def test_conditions_and_ranges_come_before_the_cut(large: Path) -> None:
    with IndexReader(large) as index, index.snapshot():
        query = index.image(7)
        assert query
        rows = {
            int(id): row
            for ids, block in index.blocks()
            for id, row in zip(ids, block, strict=True)
        }
    near = sorted(((float(row @ query[1][0]), -id) for id, row in rows.items()), reverse=True)
    path: Callable[[int], Path] = lambda id: Path(f"/photos/{(id - 1) % 3}/{id - 1:05}.jpg")  # noqa: E731
    expected = [path(-id) for _, id in near if (-id - 1) % 3 == 2][:10]
    [found] = search_photos(large, rows=[7], where=["label=2"])
    assert [m.path for m in found.matches] == expected and found.certificate is None
    [found] = search_photos(large, rows=[7], where=["path=/photos/2", "label=2", "label=1"])
    assert [m.path for m in found.matches] == expected
    [found] = search_photos(large, rows=[7], where=["label=1", "path=/photos/2"])
    assert found.matches == ()
    line = near[49][0] - 1e-6
    [found] = search_photos(large, rows=[7], min_similarity=line)
    assert [m.path for m in found.matches] == [path(-id) for _, id in near[:50]]
    [found] = search_photos(large, rows=[7], min_similarity=line, k=3)
    assert [m.path for m in found.matches] == [path(-id) for _, id in near[:3]]
    with pytest.raises(UsageError, match="expected label=NAME or path=FOLDER, received 'size=3'"):
        search_photos(large, rows=[7], where=["size=3"])


def test_the_more_are_wanted_the_further_a_graph_is_walked(large: Path) -> None:
    with IndexReader(large) as index, index.snapshot():
        opened = searcher.open_approximate(index)
        assert opened
        queries = cloud(50, 5)
        _, truth = nearest(queries, index.blocks(), 100)
        found = opened[0].propose(queries, 400, 8)
        assert (truth[:, :, None] == found[:, None, :]).any(2).mean() > 0.98


def test_a_guess_at_what_lies_off_the_axes_ranks_better(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, queries = cloud(3000, 0), cloud(200, 1)
    ids = np.arange(len(rows))
    made = Approximate.empty("HNSW24_SQ8", rows, principal_axes(rows)[:9])
    made.add(ids, rows)
    _, truth = nearest(queries, [(ids, rows)], 10)
    guessed = made.propose(queries, 30, 256)
    assert guessed[7:8].tolist() == made.propose(queries[7:8], 30, 256).tolist(), "alone or not"
    monkeypatch.setattr("embedtool.search.faiss_index.SHARED", 0)
    left_out = made.propose(queries, 30, 256)
    assert share(guessed, truth) > share(left_out, truth) + 0.02
