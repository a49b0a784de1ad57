"""The kinds of query that a certificate is measured with, and the recall that it promises."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from support.vectors import DIM, cloud, exact_ids, share_found
from support.vectors import built as built
from support.vectors import large as large

from embedtool import index_info, search_photos
from embedtool.core.types import Vectors, unit_rows
from embedtool.search import build_approximate
from embedtool.search.build_approximate import build_search_index
from embedtool.search.measure_recall import found_shares, promised_recall, queries_by_kind
from embedtool.search.recall_certificate import Certificate
from embedtool.search.refresh import refresh_search_index
from embedtool.search.searcher import open_searcher
from embedtool.store.derived import SEARCH, open_derived, publish, read_about
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

pytestmark = pytest.mark.slow


def strange(count: int, seed: int) -> Vectors:
    """Vectors that look like no others: far from every centre of `cloud`, and from each other."""
    return unit_rows(np.random.default_rng([seed, 7]).normal(size=(count, DIM)))


def build(index: Path, unrelated: Vectors | None, min_recall: float = 0.99) -> Certificate:
    with Writer(index) as writer:
        return build_search_index(writer, unrelated=unrelated, min_recall=min_recall)


def test_each_kind_of_query_is_measured_and_the_lowest_recall_is_promised(large: Path) -> None:
    certificate = build(large, strange(300, 1))
    kinds = certificate.recall_by_query
    assert [*kinds] == ["held_out", "unrelated", "blended"]
    assert certificate.queries == 2300
    for k in ("1", "10", "100"):
        assert certificate.recall[k] <= min(recall[k] for recall in kinds.values()) <= 1
    assert certificate.recall["10"] >= 0.99
    assert index_info(large)["certificate"] == asdict(certificate)


def test_queries_that_look_like_nothing_in_the_index_find_what_is_promised(large: Path) -> None:
    """Measured with vectors of the collection alone, the same index finds less than it promised."""
    others = strange(400, 2)
    for unrelated, kept in ((None, False), (strange(300, 1), True)):
        build(large, unrelated)
        with IndexReader(large) as index, index.snapshot():
            searcher = open_searcher(index)
            certificate = searcher.certificate_for(10)
            assert certificate
            promised = certificate.recall_by_query["held_out"] if not kept else certificate.recall
            found = share_found(searcher.nearest(others, 10)[1], exact_ids(index, others, 10))
        assert (found >= promised["10"]) is kept, (found, certificate)


def test_the_bound_is_below_the_measured_recall_by_its_uncertainty(large: Path) -> None:
    few, many = (build(large, strange(count, 1), min_recall=0.9) for count in (50, 1000))
    gap = [c.recall_by_query["unrelated"]["10"] - c.recall["10"] for c in (few, many)]
    assert gap[0] > gap[1] > 0


def test_without_a_network_the_certificate_names_no_unrelated_pictures(large: Path) -> None:
    certificate = build(large, None)
    assert certificate.queries_measured() == (
        "images of the collection and mixtures of four of them"
    )
    certificate = build(large, strange(20, 1), min_recall=0.5)
    assert certificate.queries_measured() == (
        "images of the collection, unrelated pictures and mixtures of both"
    )
    old = replace(certificate, recall_by_query={})
    assert old.queries_measured() == "images of the collection"


def test_a_certificate_of_an_earlier_version_is_read(large: Path) -> None:
    with Writer(large) as writer:
        about, content = open_derived(large, SEARCH, writer.fingerprint) or pytest.fail()
        data = content.read_bytes()
        del about["recall_by_query"]
        publish(large, SEARCH, "faiss", about, lambda w: w(data), fingerprint=writer.fingerprint)
    with IndexReader(large) as index, index.snapshot():
        old = open_searcher(index).certificate_for(10)
    assert old and old.recall == about["recall"] and old.recall_by_query == {}
    with Writer(large) as writer:
        refresh_search_index(writer)  # nothing new can be measured
        assert read_about(large, SEARCH, writer.fingerprint) == about
        refresh_search_index(writer, unrelated=lambda *_: strange(300, 1))
        new = read_about(large, SEARCH, writer.fingerprint)
        assert new and "blended" in new["recall_by_query"]
        refresh_search_index(writer, unrelated=lambda *_: pytest.fail("they are not needed"))
        assert read_about(large, SEARCH, writer.fingerprint) == new, "measured once"


def test_if_no_plan_has_the_required_recall_the_best_one_is_used_once(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It states its own recall, and later runs do not try again."""
    graph, lists = build_approximate.PLANS
    poor = replace(lists, settings=((1, 1),))
    monkeypatch.setattr(
        build_approximate, "PLANS", (poor, replace(graph, settings=((64, 3),)), poor)
    )
    with pytest.warns(UserWarning, match=r"of 99\.9%\. The best one has 9.* uses this one"):
        certificate = build(large, strange(300, 1), min_recall=0.999)
    assert certificate.method == "HNSW24_SQ8" and 0.9 < certificate.recall["10"] < 0.999
    with IndexReader(large) as index, index.snapshot():
        assert open_searcher(index).certificate_for(10) == certificate
    with Writer(large) as writer:
        refresh_search_index(writer, unrelated=lambda *_: pytest.fail("they are not needed"))
    with pytest.warns(UserWarning, match="has a recall of 100.0%.* so search is exact"):
        [found] = search_photos(large, rows=[1], min_recall=1)
    assert found.certificate is None
    assert index_info(large)["certificate"] == asdict(certificate), "a search replaces none by less"


def test_without_unrelated_pictures_mixtures_of_four_rows_that_are_far_apart_are_queries() -> None:
    rows = cloud(10, 0)
    kinds = queries_by_kind(rows, None)
    assert [*kinds] == ["held_out", "mixed"] and kinds["held_out"] is rows
    total = rows[9] + rows[9 - 2] + rows[9 - 5] + rows[9 - 7]
    assert np.allclose(kinds["mixed"][9], total / np.linalg.norm(total), atol=1e-6)
    assert kinds["mixed"].shape == rows.shape and kinds["mixed"].dtype == np.float32


@pytest.mark.parametrize(
    ("count", "paired"), [(4, [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]), (20, [*range(10)])]
)
def test_two_rows_are_blended_with_twice_as_much_of_an_unrelated_picture(
    count: int, paired: list[int]
) -> None:
    rows, others = cloud(10, 0), strange(count, 1)
    kinds = queries_by_kind(rows, others)
    assert [*kinds] == ["held_out", "unrelated", "blended"] and kinds["unrelated"] is others
    expected = unit_rows(unit_rows(rows + rows[[*range(5, 10), *range(5)]]) + 2 * others[paired])
    assert np.allclose(kinds["blended"], expected, atol=1e-6)
    assert kinds["blended"].dtype == np.float32


def test_the_promise_is_the_lowest_recall_less_its_uncertainty() -> None:
    sure, few, poor = np.ones(1000), np.ones(50), np.repeat([1.0, 0.9], 500)
    assert promised_recall({"a": sure}) == 0.998
    assert promised_recall({"a": sure, "b": few}) == 0.967
    # 0.95 less 1.645 times 0.0584, the deviation of these shares and of one 0, over sqrt(1,000)
    assert promised_recall({"a": sure, "b": poor}) == 0.946
    assert promised_recall({"a": np.zeros(10)}) == 0
    assert found_shares(np.array([[0.9, 0.5]]), np.array([[0.9, 0.8, 0.1]]), 2).tolist() == [0.5]
