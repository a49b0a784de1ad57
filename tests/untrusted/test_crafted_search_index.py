"""An approximate index with a valid checksum that faiss refuses, or that is of other vectors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from support.vectors import COUNT, DIM, cloud

from embedtool import compact_index, index_info, search_photos
from embedtool.search.build_approximate import ensure_certified
from embedtool.search.centre import no_centre
from embedtool.search.faiss_index import FaissIndex, principal_axes
from embedtool.store.derived import SEARCH, publish, read_about
from embedtool.store.reader import IndexReader

Content = Callable[[], bytes]


def of_other_vectors() -> bytes:
    rows = cloud(50, 3)
    made = FaissIndex.empty("HNSW16_SQ8", rows, principal_axes(rows)[:9], no_centre(DIM))
    made.add(np.arange(50), rows)
    parts: list[bytes] = []
    made.write(parts.append)
    return b"".join(parts)


def of_another_kind() -> bytes:
    flat = faiss.IndexFlatIP(DIM)
    return bytes(faiss.serialize_index(flat))


CONTENTS: dict[str, Content] = {
    "no index": lambda: b"not an index of faiss",
    "empty": lambda: b"",
    "another kind": of_another_kind,
    "other vectors": of_other_vectors,
}
CERTIFICATES: dict[str, dict[str, Any]] = {
    "breadth": {"breadth": 1 << 40},
    "candidates": {"candidates": -1},
    "last id": {"last_id": "x"},
    "count": {"vectors": 1 << 70},
    "recall": {"recall": {"10": "x"}},
    "method": {"method": 7},
    "kinds": {"recall_by_query": {"more": {}}},
    "more": {"more": 1},
    "time": {"latency_p50_ms": float("nan")},
}


def publish_search_index(index: Path, content: bytes | None, **changes: object) -> None:
    with IndexReader(index) as opened:
        about = read_about(index, SEARCH, opened.fingerprint)
        assert about
        [file] = (index / "derived").glob("search-*.faiss")
        whole = file.read_bytes() if content is None else content
        publish(
            index,
            SEARCH,
            "faiss",
            about | changes,
            lambda write: write(whole),
            fingerprint=opened.fingerprint,
        )


def exact_matches(index: Path) -> list[Path]:
    [found] = search_photos(index, rows=[7], min_similarity=-1, k=10)
    return [match.path for match in found.matches]


@pytest.mark.parametrize("case", CONTENTS)
def test_search_is_exact_and_says_so_until_it_is_rebuilt(large: Path, case: str) -> None:
    expected = exact_matches(large)
    publish_search_index(large, CONTENTS[case]())
    with pytest.warns(UserWarning, match="Search is exact until you rebuild it: embedtool compact"):
        [found] = search_photos(large, rows=[7], k=10)
    assert [match.path for match in found.matches] == expected
    assert found.certificate is None


@pytest.mark.parametrize("case", CERTIFICATES)
def test_a_certificate_that_is_not_ours_is_not_used(large: Path, case: str) -> None:
    publish_search_index(large, None, **CERTIFICATES[case])
    assert index_info(large)["certificate"] is None
    with pytest.warns(UserWarning, match="no valid certificate"):
        [found] = search_photos(large, rows=[7], k=10)
    assert found.certificate is None and len(found.matches) == 10


@pytest.mark.slow
def test_compact_builds_it_again(large: Path) -> None:
    publish_search_index(large, b"not an index of faiss")
    compact_index(large)
    with IndexReader(large) as opened:
        assert ensure_certified(opened, None, None)
    [found] = search_photos(large, rows=[7], k=10)
    assert found.certificate and found.certificate.vectors == COUNT
