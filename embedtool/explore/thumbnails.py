"""Small pictures of an index's images and when each was taken: made once, one for each vector, and
saved as a derived file.

    derived/thumbnails-<digest>.bin    ids (n,), ends (n,) and dates (n,), all <i8, then the
                                       pictures, one after the other

A picture is WebP, at most SIDE pixels long and MAX_BYTES large. It is made of a file that is still,
byte for byte, what was indexed; a vector all of whose files are gone or changed has none.
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
MAX_BYTES = 4096  # three times what a photo takes at the first quality
QUALITIES = (75, 40, 5)  # the last keeps pure noise under MAX_BYTES
Dates = npt.NDArray[np.datetime64]  # (n,), seconds
DatedPicture = tuple[bytes, np.datetime64]
BATCH = 8192  # pictures between two writes: what an interrupted run loses at most


@dataclass(frozen=True)
class Thumbnails:
    """The pictures at hand, by vector. ids: (n,) ascending; ends: (n,) where each picture ends in
    data, the next one beginning there; dates: (n,) by the camera's clock, NaT where it is not
    known."""

    ids: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    dates: Dates
    data: npt.NDArray[np.uint8]

    def of(self, id: int) -> bytes | None:
        """The picture of a vector, as WebP bytes."""
        place = int(np.searchsorted(self.ids, id))
        if place == len(self.ids) or self.ids[place] != id:
            return None
        return self.data[self.ends[place - 1] if place else 0 : self.ends[place]].tobytes()

    def taken(self, ids: npt.NDArray[np.int64]) -> Dates:
        """When the images of these vectors (m,) were taken, NaT where that is not known."""
        dates = np.append(self.dates, np.datetime64("NaT", "s"))
        place = np.searchsorted(self.ids, ids)
        there = np.append(self.ids, -1)[place] == ids
        return dates[np.where(there, place, -1)]


NO_NUMBERS = np.empty(0, np.int64)
NO_THUMBNAILS = Thumbnails(NO_NUMBERS, NO_NUMBERS, NO_NUMBERS.view("M8[s]"), np.empty(0, np.uint8))


def open_thumbnails(index: IndexReader) -> Thumbnails:
    """The pictures that were made so far; none where their file is damaged."""
    try:
        opened = open_derived(index.path, NAME, _fingerprint(index))
    except DerivedDamaged:
        return NO_THUMBNAILS
    if opened is None or not opened[0]["count"]:
        return NO_THUMBNAILS
    about, file = opened
    count, data = int(about["count"]), np.memmap(file, np.uint8, "r")
    ids, ends, dates = data[: 24 * count].view("<i8").reshape(3, count).astype(np.int64)
    return Thumbnails(ids, ends, dates.view("M8[s]"), data[24 * count :])


def make_thumbnails(index: Writer, *, progress: Progress | None = None) -> Thumbnails:
    """The same, after adding a picture for each vector that has none yet and dropping those of
    vectors that are gone. A vector without a readable file is tried again the next time."""
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
    """The picture of the first file that is what was indexed, and when it was taken."""
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
    """Write the saved pictures of live vectors, and new ones."""
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
