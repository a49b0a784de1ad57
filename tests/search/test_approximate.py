"""Approximate search against exact search, and its certificate."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.vectors import COUNT, cloud, commit, exact_ids, share_found
from support.vectors import built as built
from support.vectors import large as large

from embedtool import compact_index, index_info, search_photos
from embedtool.errors import IndexLocked, UsageError
from embedtool.search import refresh, searcher
from embedtool.search.exact import nearest
from embedtool.search.searcher import open_searcher
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

pytestmark = pytest.mark.slow


def test_new_queries_find_what_the_certificate_promises(large: Path) -> None:
    queries = cloud(300, 1)
    with IndexReader(large) as index, index.snapshot():
        found = open_searcher(index)
        certificate = found.certificate_for(10)
        assert certificate and certificate.vectors == COUNT and certificate.queries == 1000
        for k in (1, 10, 100):
            measured = share_found(found.nearest(queries, k)[1], exact_ids(index, queries, k))
            assert measured > certificate.recall[str(k)] - 0.02, k
        assert found.certificate_for(101) is None, "it speaks of the 100 nearest"
        assert (found.nearest(queries[:5], 150)[1] == exact_ids(index, queries[:5], 150)).all()
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
        near = exact_ids(writer, queries[:3], 400)
        gone = {*near.ravel().tolist(), *range(1, COUNT, 3)}
        writer.drop([row.id for row in writer.rows() if row.id in gone], [])
    with IndexReader(large) as index, index.snapshot():
        found = open_searcher(index)
        assert found.certificate_for(10)
        _, ids = found.nearest(queries, 10)
        expected = exact_ids(index, queries, 10)
        assert (expected > COUNT).any() and not {*ids.ravel().tolist()} & gone
        assert share_found(ids, expected) >= 0.98
        assert share_found(ids[:3], expected[:3]) >= 0.95


def test_an_index_run_rebuilds_it_when_much_has_changed(large: Path) -> None:
    before = index_info(large)["certificate"]
    with Writer(large) as writer:
        commit(writer, cloud(100, 2), COUNT)
        refresh.refresh_search_index(writer)
        assert index_info(large)["certificate"] == before
        commit(writer, cloud(300, 4), COUNT + 100)
        assert len(writer.segments()) == 6
        refresh.refresh_search_index(writer)
        [joined] = writer.segments()
        assert joined.rows == COUNT + 400, "a search reads few files"
    assert index_info(large)["certificate"]["vectors"] == COUNT + 400
    assert sum(file.suffix == ".faiss" for file in (large / "derived").iterdir()) == 1


@pytest.mark.parametrize("damage", ["content", "manifest", "lost"])
def test_a_damaged_index_is_not_used_and_built_again(large: Path, damage: str) -> None:
    [file] = (large / "derived").glob("*.faiss" if damage != "manifest" else "*.json")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.unlink()
    if damage != "lost":
        file.write_bytes(data)
    with IndexReader(large) as index, index.snapshot():
        with pytest.warns(UserWarning, match="Search is exact .*embedtool compact"):
            found = open_searcher(index)
        queries = cloud(10, 5)
        assert (found.nearest(queries, 10)[1] == exact_ids(index, queries, 10)).all()
    compact_index(large)
    with IndexReader(large) as index, index.snapshot():
        assert open_searcher(index).certificate_for(10)


def test_recall_and_memory_can_be_required(large: Path) -> None:
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


def test_the_more_are_wanted_the_further_a_graph_is_searched(large: Path) -> None:
    with IndexReader(large) as index, index.snapshot():
        opened = searcher.open_faiss_index(index)
        assert opened
        queries = cloud(50, 5)
        _, truth = nearest(queries, index.blocks(), 100)
        found = opened[0].propose(queries, 400, 8)
        assert (truth[:, :, None] == found[:, None, :]).any(2).mean() > 0.98
