"""Which file of a group is kept, and the reason given for it."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.duplicates import File, index_of, search_in

from embedtool.duplicates.files_by_content import File as FoundFile
from embedtool.duplicates.find_duplicates import _reason
from embedtool.store.layout import Row


def found_file(
    name: str,
    *,
    size: int = 10,
    mtime_ns: int = 0,
    in_reference: bool = False,
    exists: bool = True,
    linked: bool = False,
) -> FoundFile:
    row = Row(0, b"/r", name.encode(), size, mtime_ns, b"")
    return FoundFile(row, Path("/r") / name, in_reference, exists, linked)


def test_the_best_file_is_kept(tmp_path: Path) -> None:
    """Each is better than the next in one property, and no better in those compared after it."""
    index = index_of(tmp_path, *(File(str(n), 30 * n) for n in range(8)))
    order = [
        (found_file("z", in_reference=True, exists=False, mtime_ns=9), (0, 0)),
        (found_file("y", mtime_ns=8), (90, 11)),
        (found_file("x", mtime_ns=7), (20, 49)),
        (found_file("w", size=40, mtime_ns=6), (98, 9)),
        (found_file("v", size=30, mtime_ns=5), (9, 98)),
        (found_file("u", size=30, mtime_ns=6, linked=True), (18, 49)),
        (found_file("v2", size=30, mtime_ns=6), (49, 18)),
        (found_file("a", exists=False, size=99), (99, 99)),
    ]
    place = [3, 7, 0, 5, 1, 6, 4, 2]
    with search_in(index) as search:
        for item, (file, size) in zip(place, order, strict=True):
            search.items[item].files = [file]
            search.pictures.sizes[item] = size
        assert sorted(range(8), key=search._keep_order) == place
        search.pictures._files_read[:] = True
        links = np.array([[0, 1], [2, 3], [1, 4], [0, 7]])
        ranks = search._rank(links)
        assert [ranks[n] for n in (3, 7, 0, 1, 4, 2)] == list(range(6))
        assert ranks[5] == ranks[6] == 8, "not linked, so behind all that are"


SECOND = 10**9


def date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(
        " ", "milliseconds" if seconds % 1 else "seconds"
    )


@pytest.mark.parametrize(
    ("keep", "other", "size", "other_size", "reason"),
    [
        ({"in_reference": True}, {}, (1, 1), (9, 9), "in the reference folder"),
        (
            {"in_reference": True},
            {"in_reference": True},
            (9, 1),
            (2, 4),
            "more pixels, 9x1 over 2x4",
        ),
        ({}, {"exists": False}, (0, 0), (0, 0), "the other file is gone"),
        ({"exists": False}, {"exists": False}, (0, 0), (0, 0), "first by path"),
        ({"size": 1}, {"size": 2}, (3, 3), (2, 4), "more pixels, 3x3 over 2x4"),
        ({"size": 1}, {"size": 2}, (4, 2), (1, 7), "more pixels, 4x2 over 1x7"),
        ({"size": 1}, {"size": 2}, (2, 4), (1, 7), "more pixels, 2x4 over 1x7"),
        ({"size": 5000}, {"size": 4999}, (2, 4), (4, 2), "larger file, 5,000 over 4,999 bytes"),
        ({}, {"linked": True, "mtime_ns": 5}, (2, 4), (4, 2), "a file, and the other is a link"),
        (
            {"linked": True, "mtime_ns": SECOND},
            {"linked": True, "mtime_ns": 3 * SECOND // 2},
            (2, 4),
            (8, 1),
            f"older, {date(1)} over {date(1.5)}",
        ),
        (
            {},
            {"mtime_ns": 86_400 * SECOND},
            (0, 0),
            (0, 0),
            f"older, {date(0)} over {date(86_400)}",
        ),
        ({"mtime_ns": 7}, {"mtime_ns": 7}, (2, 4), (2, 4), "first by path"),
        ({"mtime_ns": 8, "linked": True}, {"mtime_ns": 7}, (2, 4), (2, 4), "first by path"),
    ],
)
def test_the_reason_is_the_first_difference(
    keep: dict[str, Any],
    other: dict[str, Any],
    size: tuple[int, int],
    other_size: tuple[int, int],
    reason: str,
) -> None:
    assert _reason(found_file("a", **keep), found_file("b", **other), size, other_size) == reason
