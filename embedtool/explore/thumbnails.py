"""Thumbnails and dates of the images of an index: made once for each vector, and saved in a derived
file.

    derived/thumbnails-<digest>.bin    ids (n,), ends (n,) and dates (n,), all <i8, then the
                                       thumbnails, one after the other

A thumbnail is WebP, with at most SIDE pixels on its longer side and at most MAX_BYTES. It is made
only from a file that is still, byte for byte, what was indexed. If all files of a vector are gone
or changed, it has no thumbnail.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedtool.core.foreign_files import open_regular
from embedtool.core.threads import cpu_count
from embedtool.core.types import Progress, Source
from embedtool.errors import DerivedDamaged, ImageRejected
from embedtool.images.decode import date_taken, thumbnail
from embedtool.images.read_file import read_source
from embedtool.store.derived import open_derived, publish
from embedtool.store.layout import Row
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

NAME = "thumbnails"
SIDE = 96
MAX_BYTES = 4096  # three times the size of a typical photo at the first quality
QUALITIES = (75, 40, 5)  # at the last, even pure noise fits in MAX_BYTES
Dates = npt.NDArray[np.datetime64]  # (n,), seconds
DatedPicture = tuple[bytes, np.datetime64]
BATCH = 8192  # thumbnails between two writes: an interrupted run loses at most these


@dataclass(frozen=True)
class Thumbnails:
    """The saved thumbnails, by vector. ids: (n,) ascending; ends: (n,) where each thumbnail ends in
    data and the next one begins; dates: (n,) by the camera's clock, NaT if unknown."""

    ids: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    dates: Dates
    data: npt.NDArray[np.uint8]

    def of(self, id: int) -> bytes | None:
        """Return the thumbnail of a vector as WebP bytes."""
        place = int(np.searchsorted(self.ids, id))
        if place == len(self.ids) or self.ids[place] != id:
            return None
        return self.data[self.ends[place - 1] if place else 0 : self.ends[place]].tobytes()

    def taken(self, ids: npt.NDArray[np.int64]) -> Dates:
        """Return when the images of these vectors (m,) were taken, NaT if unknown."""
        dates = np.append(self.dates, np.datetime64("NaT", "s"))
        place = np.searchsorted(self.ids, ids)
        there = np.append(self.ids, -1)[place] == ids
        return dates[np.where(there, place, -1)]


NO_NUMBERS = np.empty(0, np.int64)
NO_THUMBNAILS = Thumbnails(NO_NUMBERS, NO_NUMBERS, NO_NUMBERS.view("M8[s]"), np.empty(0, np.uint8))


def open_thumbnails(index: IndexReader) -> Thumbnails:
    """Return the thumbnails that were made so far, or none if their file is damaged."""
    try:
        opened = open_derived(index.path, NAME, _fingerprint(index))
    except DerivedDamaged:
        return NO_THUMBNAILS
    count = opened and opened[0].get("count")
    if opened is None or not isinstance(count, int) or count <= 0:
        return NO_THUMBNAILS
    with open_regular(opened[1]) as file:
        if file.seek(0, os.SEEK_END) < 24 * count:
            return NO_THUMBNAILS
        data = np.memmap(file, np.uint8, "r")
    ids, ends, dates = data[: 24 * count].view("<i8").reshape(3, count).astype(np.int64)
    pictures = data[24 * count :]
    in_order = (np.diff(ids) > 0).all() and (np.diff(ends, prepend=0) >= 0).all()
    if not in_order or ends[-1] != len(pictures):
        return NO_THUMBNAILS
    return Thumbnails(ids, ends, dates.view("M8[s]"), pictures)


def make_thumbnails(index: Writer, *, progress: Progress | None = None) -> Thumbnails:
    """Make the missing thumbnails, delete those of removed vectors, and return all thumbnails. A
    vector without a readable file is tried again the next time."""
    live = index.places_after(0)["id"]
    saved = open_thumbnails(index)
    if not np.isin(saved.ids, live).all():
        saved = _publish(index, live, saved, {})
    wanted = np.setdiff1d(live, saved.ids).tolist()
    images = index.images_of(wanted)
    with ThreadPoolExecutor(cpu_count()) as pool:
        for start in range(0, len(wanted), BATCH):
            part = wanted[start : start + BATCH]
            made = {}
            pictures = pool.map(_picture, [images[id] for id in part])
            for done, (id, picture) in enumerate(zip(part, pictures, strict=True), start + 1):
                if picture is not None:
                    made[id] = picture
                if progress:
                    progress(done, len(wanted), stage="making thumbnails")
            if made:
                saved = _publish(index, live, saved, made)
    return saved


def _picture(rows: Sequence[Row]) -> DatedPicture | None:
    """Return the thumbnail and date of the first file that has not changed since it was indexed."""
    for row in rows:
        try:
            _, data = read_source(Source(row.root, row.path, row.size, row.mtime_ns))
            if hashlib.sha256(data).digest() != row.digest:
                continue
            for quality in QUALITIES:
                picture = thumbnail(data, SIDE, kind="WEBP", quality=quality)
                if len(picture) <= MAX_BYTES:
                    return picture, np.datetime64(date_taken(data), "s")
        except ImageRejected:
            continue
    return None


def _publish(
    index: Writer, live: npt.NDArray[np.int64], saved: Thumbnails, made: dict[int, DatedPicture]
) -> Thumbnails:
    """Write the saved thumbnails of live vectors and the new ones."""
    ids = np.sort([*saved.ids[np.isin(saved.ids, live)].tolist(), *made]).astype("<i8")
    starts = np.concatenate([[0], saved.ends])
    lengths = dict(zip(saved.ids.tolist(), np.diff(starts).tolist(), strict=True))
    lengths.update((id, len(picture)) for id, (picture, _) in made.items())
    dates = saved.taken(ids)
    for id, (_, date) in made.items():
        dates[np.searchsorted(ids, id)] = date
    ends = np.cumsum([lengths[id] for id in ids.tolist()], dtype="<i8")

    def write(out: Callable[[bytes], object]) -> None:
        out(ids.tobytes())
        out(ends.tobytes())
        out(dates.astype("<M8[s]").tobytes())
        for id in ids.tolist():
            out(made[id][0] if id in made else saved.of(id) or b"")

    about = {"count": len(ids), "side": SIDE}
    publish(index.path, NAME, "bin", about, write, fingerprint=_fingerprint(index))
    return open_thumbnails(index)


def _fingerprint(index: IndexReader) -> str:
    return f"{index.fingerprint} webp {SIDE} dated"
