"""Choose which image of a group is kept, and say why.

A rule is a sequence of criteria. The image to keep is the first by all of them in turn, and the
reason is the first criterion in which it differs from the best of the others.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from embedtool.duplicates.files_by_content import File
from embedtool.duplicates.results import Keep
from embedtool.errors import UsageError
from embedtool.images.metadata import Metadata

Pairs = npt.NDArray[np.int64]  # (p, 2) candidates


@dataclass(frozen=True)
class Candidate:
    """A file of a group, and how it compares with the other files there."""

    file: File
    metadata: Metadata | None = None  # None if the file cannot be read
    all_dated: bool = False  # each file of the group records when it was taken
    re_encoding: bool = False  # a lossless file of the size of a lossy one that it was made from
    bytes_share: float = 1  # its bytes / those of the largest of its format and size in pixels

    @property
    def format(self) -> str:
        return self.metadata.format if self.metadata else ""

    @property
    def pixels(self) -> int:
        return self.metadata.width * self.metadata.height if self.metadata else 0

    @property
    def date(self) -> datetime:
        """When it was taken, else when the file was last written."""
        written = datetime.fromtimestamp(self.file.row.mtime_ns // 10**9)
        return (self.metadata and self.metadata.taken) or written


Criterion = tuple[Callable[[Candidate], Any], Callable[[Candidate, Candidate], str]]


def _camera_reason(keep: Candidate, other: Candidate) -> str:
    assert keep.metadata and keep.metadata.taken
    ours = f"as {keep.metadata.camera} took it on {keep.metadata.taken}"
    if other.metadata and other.metadata.camera and other.metadata.altered:
        return f"{ours}, and the other was changed since it was taken"
    return f"{ours}, and the other has no such record"


def _bytes_reason(keep: Candidate, other: Candidate) -> str:
    if keep.format == other.format:
        return f"larger file, {keep.file.row.size:,} over {other.file.row.size:,} bytes"
    return f"the other is not the largest {other.format} file of the group"


def _size(one: Candidate) -> str:
    return f"{one.metadata.width}x{one.metadata.height}" if one.metadata else "none"


def _written(one: Candidate, other: Candidate) -> str:
    """Return both times, to the digit in which they differ."""
    times = [c.file.row.mtime_ns for c in (one, other)]
    dates = [str(datetime.fromtimestamp(t // 10**9)) for t in times]
    if dates[0] == dates[1]:
        dates = [f"{date}.{t % 10**9:09}" for date, t in zip(dates, times, strict=True)]
    return f"older file, {dates[0]} over {dates[1]}"


CRITERIA: dict[str, Criterion] = {
    "reference": (lambda c: not c.file.in_reference, lambda k, o: "in the reference folder"),
    "exists": (lambda c: not c.file.exists, lambda k, o: "the other file is gone"),
    "first-root": (
        lambda c: c.file.root_number,
        lambda k, o: (
            f"in {os.fsdecode(k.file.row.root)}, which was indexed before "
            f"{os.fsdecode(o.file.row.root)}"
        ),
    ),
    "oldest": (lambda c: c.date, lambda k, o: f"older, {k.date} over {o.date}"),
    "name": (
        lambda c: c.file.original is not None,
        lambda k, o: (
            f"{o.file.path.name} is by its name an edit of "
            f"{o.file.original and o.file.original.name}"
        ),
    ),
    "camera": (lambda c: not (c.metadata and c.metadata.is_camera_original), _camera_reason),
    "re-encoding": (
        lambda c: c.re_encoding,
        lambda k, o: f"the other is a lossless {o.format} file made from a lossy one of its size",
    ),
    "taken": (
        lambda c: c.metadata.taken if c.all_dated and c.metadata else datetime.min,
        lambda k, o: f"taken earlier, {k.date} over {o.date}",
    ),
    "pixels": (lambda c: -c.pixels, lambda k, o: f"more pixels, {_size(k)} over {_size(o)}"),
    "bytes": (lambda c: -c.bytes_share, _bytes_reason),
    "size": (
        lambda c: -c.file.row.size,
        lambda k, o: f"larger file, {k.file.row.size:,} over {o.file.row.size:,} bytes",
    ),
    "link": (lambda c: c.file.linked, lambda k, o: "a file, and the other is a link"),
    "pair": (
        lambda c: not c.file.paired,
        lambda k, o: f"{k.file.paired and k.file.paired.name} lies beside it",
    ),
    "links": (lambda c: not c.file.link, lambda k, o: f"the link {k.file.link} points to it"),
    "written": (lambda c: c.file.row.mtime_ns, _written),
    "path": (lambda c: os.fsencode(c.file.path), lambda k, o: "first by path"),
}
FIRST: dict[Keep, tuple[str, ...]] = {
    "original": (),
    "largest": ("pixels", "size"),
    "oldest": ("oldest",),
    "first-root": ("first-root",),
}
ORIGINAL = ("name", "camera", "re-encoding", "taken", "pixels")
FILE = ("link", "pair", "links", "written")


class KeepRule:
    """One way to choose: "original", or a criterion that comes before those of "original".

    Raises UsageError for an unknown name.
    """

    def __init__(self, keep: Keep, *, edits: bool = False) -> None:
        """edits: the group holds edits, whose number of bytes says little."""
        if keep not in get_args(Keep):
            raise UsageError(f"expected keep to be one of {', '.join(get_args(Keep))}: {keep!r}")
        last = (*FILE, "bytes") if edits else ("bytes", *FILE)
        names = ("reference", "exists", *FIRST[keep], *ORIGINAL, *last, "path")
        self._criteria = [CRITERIA[name] for name in names]

    def order(self, one: Candidate) -> tuple[Any, ...]:
        """Return a sort key: the image to keep is the first."""
        return tuple(key(one) for key, _ in self._criteria)

    def first_by_file(self, group: Mapping[int, Candidate]) -> int:
        """Return which of a group comes first, as far as names and sizes of the files say."""
        compared = compare_in_group(group, np.empty((0, 2), np.int64), lambda *_: False)
        return min(compared, key=lambda item: self.order(compared[item]))

    def reason(self, keep: Candidate, other: Candidate) -> str:
        """Return why `keep` comes before another file."""
        return next(why(keep, other) for key, why in self._criteria if key(keep) < key(other))


def compare_in_group(
    group: Mapping[int, Candidate], links: Pairs, derived: Callable[[int, int], bool]
) -> dict[int, Candidate]:
    """Return the candidates of one group with what depends on the others there.

    links: pairs (p, 2) that show one picture. derived: whether the first of a pair, a lossless
    file, was made from the second, a lossy one of the same size.
    """
    largest: dict[tuple[str, int], int] = {}
    for one in group.values():
        own = (one.format, one.pixels)
        largest[own] = max(largest.get(own, 0), one.file.row.size)
    re_encodings: set[int] = set()
    for pair in links.tolist():
        for first, second in (pair, pair[::-1]):
            possible = _could_derive(group[first].metadata, group[second].metadata)
            if possible and first not in re_encodings and derived(first, second):
                re_encodings.add(first)
    all_dated = all(one.metadata and one.metadata.taken for one in group.values())
    return {
        item: replace(
            one,
            all_dated=all_dated,
            re_encoding=item in re_encodings,
            bytes_share=one.file.row.size / max(largest[one.format, one.pixels], 1),
        )
        for item, one in group.items()
    }


def _could_derive(lossless: Metadata | None, lossy: Metadata | None) -> bool:
    return bool(
        lossless
        and lossy
        and lossless.lossless
        and not lossy.lossless
        and (lossless.width, lossless.height) == (lossy.width, lossy.height)
    )
