"""Which file of a group is kept, and the reason given for it."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedtool.duplicates.files_by_content import File
from embedtool.duplicates.keep_rule import Candidate, KeepRule, compare_in_group
from embedtool.duplicates.results import Keep
from embedtool.errors import UsageError
from embedtool.images.metadata import Metadata
from embedtool.store.layout import Row

SECOND = 10**9
PLAIN = Metadata("JPEG", 40, 30, False, False, "", "", None, False)
CAMERA = replace(PLAIN, make="Acme", model="X1", taken=datetime(2020, 5, 1, 12))
PNG = replace(PLAIN, format="PNG", lossless=True)
PATH = Path("/r")


def one(
    name: str = "b",
    size: int = 10,
    seconds: float = 0,
    metadata: Metadata | None = PLAIN,
    **own: Any,
) -> Candidate:
    row = Row(0, b"/r", name.encode(), size, int(seconds * SECOND), b"")
    facts = {"in_reference": False, "exists": True, "linked": False, **own}
    return Candidate(File(row, PATH / name, **facts), metadata)


def kept(
    *group: Candidate, keep: Keep = "original", edits: bool = False, derived: bool = True
) -> tuple[str, str]:
    """The name of the file that is kept, and the reason."""
    rule = KeepRule(keep, edits=edits)
    links = np.array([(a, b) for a in range(len(group)) for b in range(a)], np.int64)
    found = compare_in_group(dict(enumerate(group)), links, lambda *_: derived)
    first, second, *_ = sorted(found.values(), key=rule.order)
    return first.file.path.name, rule.reason(first, second)


def date(seconds: float) -> str:
    return str(datetime.fromtimestamp(seconds))


LARGE = replace(PLAIN, width=80, height=60)
EDIT = replace(CAMERA, altered=True)


@pytest.mark.parametrize(
    ("best", "other", "reason"),
    [
        (one(in_reference=True), one("a", metadata=CAMERA), "in the reference folder"),
        (one(), one("a", exists=False, metadata=CAMERA), "the other file is gone"),
        (
            one("IMG_12.JPG"),
            one("IMG_E12.JPG", metadata=CAMERA, original=PATH / "IMG_12.JPG"),
            "IMG_E12.JPG is by its name an edit of IMG_12.JPG",
        ),
        (
            one(metadata=CAMERA),
            one("a", metadata=LARGE),
            "as Acme X1 took it on 2020-05-01 12:00:00, and the other has no such record",
        ),
        (
            one(metadata=CAMERA),
            one("a", metadata=replace(EDIT, width=80)),
            "as Acme X1 took it on 2020-05-01 12:00:00, and the other was changed since it was "
            "taken",
        ),
        (
            one(),
            one("a", 99, metadata=PNG),
            "the other is a lossless PNG file made from a lossy one of its size",
        ),
        (
            one(metadata=replace(PLAIN, taken=datetime(2019, 1, 1))),
            one("a", metadata=replace(LARGE, taken=datetime(2019, 1, 2))),
            "taken earlier, 2019-01-01 00:00:00 over 2019-01-02 00:00:00",
        ),
        (
            one(metadata=LARGE),
            one("a", 99, metadata=replace(PLAIN, taken=datetime(2019, 1, 2))),
            "more pixels, 80x60 over 40x30",
        ),
        (one(size=5000), one("a", 4999, -9), "larger file, 5,000 over 4,999 bytes"),
        (
            one(),
            one("a", 99, 1, replace(PLAIN, format="WEBP")),
            f"older file, {date(0)} over {date(1)}",
        ),
        (one(seconds=5), one("a", linked=True), "a file, and the other is a link"),
        (one(seconds=5, paired=PATH / "b.dng"), one("a"), "b.dng lies beside it"),
        (one(seconds=5, link=PATH / "l"), one("a"), "the link /r/l points to it"),
        (one(seconds=-1), one("a"), f"older file, {date(-1)} over {date(0)}"),
        (
            one(seconds=0.25),
            one("a", seconds=0.75),
            f"older file, {date(0)}.250000000 over {date(0)}.750000000",
        ),
        (one("a"), one("b"), "first by path"),
        (one(metadata=PLAIN), one("a", 99, metadata=None), "more pixels, 40x30 over none"),
    ],
)  # fmt: skip
def test_the_reason_is_the_first_difference(best: Candidate, other: Candidate, reason: str) -> None:
    expected = (best.file.path.name, reason)
    assert kept(best, other) == kept(other, best) == expected


def test_a_lossless_original_is_not_taken_for_a_re_encoding_of_its_jpeg() -> None:
    png, jpeg = one("a.png", 50, 1, PNG), one("b.jpg", 10, 2)
    assert kept(png, jpeg)[0] == "b.jpg"
    assert kept(png, jpeg, derived=False) == ("a.png", f"older file, {date(1)} over {date(2)}")
    smaller = replace(PLAIN, width=20, height=15)
    assert kept(png, one("b.jpg", 99, metadata=smaller))[1] == "more pixels, 40x30 over 20x15"


def test_bytes_are_compared_within_one_format() -> None:
    webp = replace(PLAIN, format="WEBP")
    files = [one("a", 30, 3), one("b", 20, 1), one("c", 99, 2, webp)]
    assert kept(*files) == ("c", f"older file, {date(2)} over {date(3)}")
    assert kept(files[1], one("c", 10, 2, webp), one("d", 99, 3))[0] == "c"
    old, large = one("a", 10, 1), one("b", 30, 2)
    assert kept(old, large)[0] == "b"
    assert kept(old, large, edits=True)[0] == "a", "an edit may have any number of bytes"


@pytest.mark.parametrize(
    ("keep", "best", "reason"),
    [
        (
            "original",
            "camera",
            "as Acme X1 took it on 2020-05-01 12:00:00, and the other has no such record",
        ),
        ("largest", "large", "more pixels, 80x60 over 40x30"),
        ("oldest", "old", f"older, {date(7)} over {date(9)}"),
        ("first-root", "first", "in /r0, which was indexed before /r1"),
    ],
)  # fmt: skip
def test_each_rule(keep: Keep, best: str, reason: str) -> None:
    files = [
        one("camera", 30, metadata=CAMERA, root_number=1),
        one("large", 20, 9, metadata=LARGE, root_number=1),
        one("old", 20, 7, root_number=1),
        one("first", 5, 99),
    ]
    for number, file in enumerate(files):
        row = file.file.row._replace(root=b"/r%d" % file.file.root_number)
        files[number] = replace(file, file=replace(file.file, row=row))
    assert kept(*files, keep=keep) == (best, reason)


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(UsageError, match=r"one of original, largest, oldest, first-root: 'newest'"):
        KeepRule("newest")  # type: ignore[arg-type]
