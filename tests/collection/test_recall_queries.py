"""Which queries the recall of approximate search is measured with, by what is at hand."""

import shutil
from pathlib import Path

import pytest
from support.indexes import fill, run, unused_embedder

from embedtool import compact_index, index_info, search_photos
from embedtool.models import unrelated_vectors
from embedtool.search import build_approximate, refresh, searcher


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Search is approximate above 20 vectors. Returns the user cache, which is empty."""
    for module in (build_approximate, searcher, refresh):
        monkeypatch.setattr(module, "EXACT_ROWS", 20)
    monkeypatch.setattr("embedtool.collection.inspect.EXACT_ROWS", 20)
    monkeypatch.setattr(build_approximate, "QUERIES", 40)
    monkeypatch.setattr(refresh, "MIN_RECALL", 0.5)  # so few queries cannot promise more
    monkeypatch.setattr(unrelated_vectors, "PER_KIND", 4)
    monkeypatch.setenv("EMBEDTOOL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def kinds(index: Path) -> list[str]:
    return [*index_info(index)["certificate"]["recall_by_query"]]


def test_the_network_is_used_if_it_is_loaded_and_the_cache_if_it_is_not(
    index: Path, photos: Path, small: Path
) -> None:
    fill(index, 300)
    search_photos(index, rows=[1], min_recall=0.5)
    assert kinds(index) == ["held_out", "mixed"], "a search loads no network for this"
    assert not small.exists()
    run(index, photos)  # embeds photos
    assert kinds(index) == ["held_out", "unrelated", "blended"]
    search_photos(index, rows=[1], min_recall=0.6, max_memory=10**9)
    assert kinds(index) == ["held_out", "unrelated", "blended"]
    shutil.rmtree(index / "derived")
    compact_index(index)
    assert kinds(index) == ["held_out", "unrelated", "blended"]
    shutil.rmtree(small)
    shutil.rmtree(index / "derived")
    run(index, photos, embedder=unused_embedder)
    assert kinds(index) == ["held_out", "mixed"]
