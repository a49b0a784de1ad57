"""When an index run builds the search index again."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.vectors import COUNT, DIM
from support.vectors import built as built
from support.vectors import large as large

from embedtool.search import build_approximate, refresh
from embedtool.search.centre import read_centre
from embedtool.store.derived import SEARCH, open_derived
from embedtool.store.reader import IndexReader


@pytest.mark.slow
@pytest.mark.parametrize(
    ("removed", "added", "built_again"),
    [
        (0, 0, False),
        (200, 0, False),  # one in twenty of the 4,000 vectors
        (201, 0, True),
        (0, 200, False),
        (0, 201, True),
        (100, 100, False),
        (100, 101, True),
        (2100, 0, True),
        (4000, 900, True),
    ],
)
def test_it_is_built_again_after_more_than_one_change_in_twenty(
    large: Path, monkeypatch: pytest.MonkeyPatch, removed: int, added: int, built_again: bool
) -> None:
    with IndexReader(large) as index:
        centre = read_centre(index)
        opened = open_derived(large, SEARCH, index.fingerprint)
        fingerprint = index.fingerprint
    assert opened and opened[0]["vectors"] == COUNT
    writer: Any = SimpleNamespace(
        path=large,
        fingerprint=fingerprint,
        dim=DIM,
        counts=lambda: {"vectors": COUNT - removed + added},
        count_until=lambda last: {opened[0]["last_id"]: COUNT - removed}[last],
    )
    calls: list[tuple[str, Any]] = []
    monkeypatch.setattr(refresh, "refresh_centre", lambda index: centre)
    monkeypatch.setattr(refresh, "merge_segments", lambda index: calls.append(("merged", index)))
    monkeypatch.setattr(
        build_approximate, "build_search_index", lambda index, **how: calls.append(("built", how))
    )
    refresh.refresh_search_index(writer)
    limits = {"unrelated": None, "min_recall": 0.99, "max_memory": None, "progress": None}
    assert calls == ([("merged", writer), ("built", limits)] if built_again else [])
