"""Approximate search against exact search, and its certificate."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.vectors import (
    COUNT,
    DIM,
    all_similarities,
    cloud,
    collection,
    commit,
    exact_ids,
    share_found,
)
from support.vectors import built as built
from support.vectors import large as large

from embedtool import compact_index, index_info, search_photos
from embedtool.core.types import Vectors, unit_rows
from embedtool.errors import IndexLocked, UsageError
from embedtool.search import build_approximate, refresh, searcher
from embedtool.search.build_approximate import PLANS
from embedtool.search.centre import directions
from embedtool.search.faiss_index import FaissIndex
from embedtool.search.recall_certificate import RECALL_AT
from embedtool.search.searcher import open_searcher
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

pytestmark = pytest.mark.slow


def test_new_queries_find_what_the_certificate_promises(large: Path) -> None:
    queries = cloud(300, 1)
    with IndexReader(large) as index, index.snapshot():
        found = open_searcher(index)
        certificate = found.certificate_for(10)
        assert certificate and certificate.vectors == COUNT and certificate.queries == 2000
        for k in (1, 10, 100):
            measured = share_found(found.nearest(queries, k)[1], exact_ids(index, queries, k))
            assert measured >= certificate.recall[str(k)], k
        assert found.certificate_for(100) == certificate
        assert found.certificate_for(101) is None, "it is about the 100 nearest"
        assert (found.nearest(queries[:5], 150)[1] == exact_ids(index, queries[:5], 150)).all()
        near, ids = found.nearest(queries[:20], 5)
        stored, similarities = all_similarities(index, queries[:20])
        expected = np.take_along_axis(similarities, np.searchsorted(stored, ids), 1)
        assert np.allclose(near, expected, atol=1e-6)
        assert index_info(large)["certificate"]["recall"] == certificate.recall


def test_up_to_100_matches_no_search_is_exact(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate states a recall at 100, so the 100 nearest are the approximate ones."""
    searched: list[int] = []
    exact = searcher.ExactSearcher.nearest

    def counting(self: searcher.ExactSearcher, queries: Vectors, k: int) -> Any:
        searched.append(k)
        return exact(self, queries, k)

    monkeypatch.setattr(searcher.ExactSearcher, "nearest", counting)
    with IndexReader(large) as index, index.snapshot():
        found = open_searcher(index)
        for k in (1, 100, 101):
            found.nearest(cloud(3, 1), k)
    assert searched == [101]


@pytest.mark.parametrize(
    ("required", "measured", "chosen"),
    [
        (0.99, (0.989, 0.989, 0.990), 2),
        (0.99, (0.991,), 0),
    ],
)
def test_the_cheapest_setting_that_promises_the_required_recall(
    large: Path,
    monkeypatch: pytest.MonkeyPatch,
    required: float,
    measured: tuple[float, ...],
    chosen: int,
) -> None:
    recalls = iter([*measured, *[measured[-1]] * len(RECALL_AT)])
    monkeypatch.setattr(build_approximate, "promised_recall", lambda _: next(recalls))
    with Writer(large) as writer:
        certificate = build_approximate.build_search_index(writer, min_recall=required)
    assert (certificate.breadth, certificate.candidates) == PLANS[0].settings[chosen]
    assert certificate.recall == dict.fromkeys(("1", "10", "100"), measured[chosen])


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
    [file] = (large / "derived").glob("*.faiss" if damage != "manifest" else "search.json")
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


@pytest.mark.parametrize(
    ("max_memory", "tried"),
    [
        (460 * COUNT, ["HNSW24", "IVF{lists}"]),
        (460 * COUNT - 1, ["IVF{lists}"]),
        (1, ["IVF{lists}"]),
    ],
)
def test_a_plan_too_large_for_the_memory_is_not_tried(
    large: Path, monkeypatch: pytest.MonkeyPatch, max_memory: int, tried: list[str]
) -> None:
    """The last plan is tried in any case. What it needs and what was allowed is in megabytes."""
    with IndexReader(large) as index:
        certificate = open_searcher(index).certificate_for(10)
    assert certificate
    poor = replace(certificate, recall={"10": 0.5}, memory_bytes=2_600_000)
    plans: list[str] = []

    def run(_: object, plan: build_approximate.Plan, *limits: object) -> Any:
        plans.append(re.split("[_,]", plan.method)[0])
        return poor, None

    monkeypatch.setattr(build_approximate._Trial, "run", run)
    allowed = 2 if max_memory > 1_500_000 else 0
    warned = rf"99\.0% within {allowed} MB\. The best one has 50\.0% in 3 MB, so search is exact"
    with Writer(large) as writer, pytest.warns(UserWarning, match=warned):
        build_approximate.build_search_index(writer, max_memory=max_memory, only_if_met=True)
    assert plans == tried


@pytest.mark.parametrize(("width", "axes"), [(DIM, 95), (DIM - 1, 93), (40, 39)])
def test_the_number_of_axes_is_odd_and_below_the_width(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, axes: int
) -> None:
    """Another coordinate is added, and codes need an even number."""
    monkeypatch.setattr(build_approximate, "QUERIES", 50)
    rows = unit_rows(cloud(600, 0)[:, :width])
    with Writer(collection(tmp_path / "index", rows)) as writer:
        certificate = build_approximate.build_search_index(writer, min_recall=0.5)
    assert (certificate.dimensions, certificate.vectors) == (axes, 600)
    assert certificate.method == "HNSW24_SQ8"


def test_how_many_candidates_are_fetched(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At least those for 10 matches, and 1.3 times as many once images were removed."""
    fetched: list[int] = []
    propose = FaissIndex.propose

    def counting(self: FaissIndex, queries: Vectors, count: int, breadth: int) -> Any:
        fetched.append(count)
        return propose(self, queries, count, breadth)

    monkeypatch.setattr(FaissIndex, "propose", counting)
    queries = cloud(1, 1)
    with Writer(large) as writer:
        opened = searcher.open_faiss_index(writer)
        assert opened
        certificate = replace(opened[1], candidates=4)
        for k in (1, 10, 30):
            found = searcher.ApproximateSearcher(writer, opened[0], certificate)
            found.nearest(queries, k)
        assert fetched == [40, 40, 120]
        fetched.clear()
        writer.drop([next(writer.rows()).id], [])
        searcher.ApproximateSearcher(writer, opened[0], certificate).nearest(queries, 10)
        assert fetched == [52]


@pytest.mark.parametrize(("removed", "candidates"), [(0, 10), (3000, 2)])
def test_enough_candidates_find_what_exact_search_finds(
    large: Path, removed: int, candidates: int
) -> None:
    """Every query, with more candidates than are compared at a time. Where three of four vectors
    were removed, the remaining ones are searched exactly."""
    queries = cloud(40, 1)
    with Writer(large) as writer:
        writer.drop([row.id for row in writer.rows()][:removed], [])
        opened = searcher.open_faiss_index(writer)
        assert opened
        wide = replace(opened[1], candidates=candidates, breadth=2000)
        found = searcher.ApproximateSearcher(writer, opened[0], wide)
        for k in (10, 100):
            assert share_found(found.nearest(queries, k)[1], exact_ids(writer, queries, k)) > 0.999


def test_conditions_and_ranges_come_before_the_cut(large: Path) -> None:
    with IndexReader(large) as index, index.snapshot():
        query = index.image(7)
        assert query
        ids, [similarities] = all_similarities(index, query[1])
    near = sorted(zip(similarities.tolist(), (-ids).tolist(), strict=True), reverse=True)
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
        truth = exact_ids(index, queries, 100)
        found = opened[0].propose(directions(queries, opened[0].centre), 400, 8)
        assert (truth[:, :, None] == found[:, None, :]).any(2).mean() > 0.98
