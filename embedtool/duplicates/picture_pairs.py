"""Decide which images show the same picture, and in which of them it was edited.

Each file is read once, reduced, and compared.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from embedtool.core.threads import cpu_count, single_threaded_blas
from embedtool.core.types import Pixels, Progress, Source
from embedtool.duplicates.image_registration import (
    COARSE_SIDE,
    DECODED_SIDE,
    MIN_PATCH_CORRELATION,
    ReducedImage,
    Transforms,
    centre_patches,
    coarse_image,
    match_patches,
    reduce_image,
    same_picture,
)
from embedtool.duplicates.picture_edits import WHOLE_SIDE, WholeImage, are_edited
from embedtool.duplicates.quick_copies import QuickCopies
from embedtool.errors import ImageRejected
from embedtool.images.decode import (
    decode_image,
    decode_square_and_whole,
    decode_whole,
    read_metadata,
)
from embedtool.images.metadata import Metadata
from embedtool.images.read_file import read_source

Items = npt.NDArray[np.int64]  # (n,)
Pairs = npt.NDArray[np.int64]  # (p, 2) items, the lower first
Reduced = tuple[ReducedImage, WholeImage]
T = TypeVar("T")
Cosines = Callable[[Pairs], npt.NDArray[np.float32]]
DIFFERENT, EDITED, UNEDITED = range(3)  # what two images show: two pictures, or one
CACHED_IMAGES = 2048  # 66 kB each; others are read again to compare their detail
BATCH = 64  # pairs whose detail is compared at a time
CHUNK = 256  # pairs whose images are read, and then compared while they are cached
# If a file is gone, this cosine decides: no two different clothing photos reach it, with either
# network.
SAME_PICTURE_COSINE = 0.985
# Decoders of one JPEG differ by at most this many levels, and the JPEG of a photo by more.
EQUAL_LEVELS, EQUAL_SHARE = 2, 0.999


class PicturePairs:
    """A comparison of items 0 to n - 1. Each is one image file, or None if there is no file."""

    def __init__(self, files: Sequence[Source | None], cosines: Cosines) -> None:
        self._files = files
        self._cosines = cosines
        self._coarse = np.zeros((len(files), COARSE_SIDE, COARSE_SIDE), np.uint8)
        self._known: dict[tuple[int, int], int] = {}
        self._files_read = np.zeros(len(files), np.bool_)
        self.metadata: list[Metadata | None] = [None] * len(files)  # None if unread
        self._cached_image = lru_cache(CACHED_IMAGES)(self._read)

    @property
    def count(self) -> int:
        return len(self._files)

    def is_readable(self, item: int) -> bool:
        """Return whether an item's pixels can be compared."""
        return self.metadata[item] is not None

    def read_files(self, items: Pairs, progress: Progress | None) -> None:
        """Read the files of these items once each, on all cores."""
        items = items[~self._files_read[items]]
        with ThreadPoolExecutor(cpu_count()) as pool:
            for done, (item, found) in enumerate(
                zip(items.tolist(), pool.map(self._cached_image, items.tolist()), strict=True), 1
            ):
                self._files_read[item] = True
                if found:
                    self._coarse[item] = coarse_image(found[0])
                if progress:
                    progress(done, len(items), stage="reading pictures")

    def same(self, pairs: Pairs, progress: Progress | None = None) -> npt.NDArray[np.bool_]:
        """Return whether the two items of each pair show the same picture, edited or not."""
        found: npt.NDArray[np.bool_] = self.relations(pairs, progress) != DIFFERENT
        return found

    def unedited(self, pairs: Pairs, progress: Progress | None = None) -> npt.NDArray[np.bool_]:
        """Return whether each pair shows the same picture at most re-encoded and resized."""
        found: npt.NDArray[np.bool_] = self.relations(pairs, progress) == UNEDITED
        return found

    def find_copies(self, hub: int, others: Items, progress: Progress | None = None) -> None:
        """Find those of many items that surely are unedited copies of one, before all are compared.
        Each is decoded once, and small."""
        if not (quick := self._quick_copies(hub)):
            return
        parts = np.array_split(others, len(others) // BATCH + 1)

        def copies_in(part: Items) -> Items:
            found = [
                (item, pixels)
                for item in part.tolist()
                if (pixels := self._whole(item)) is not None
            ]
            items = np.array([item for item, _ in found], np.int64)
            return items[quick.among(np.stack([p for _, p in found]))] if found else items

        with single_threaded_blas(), ThreadPoolExecutor(cpu_count()) as pool:
            for done, copies in enumerate(pool.map(copies_in, parts), 1):
                self._known.update(((min(hub, i), max(hub, i)), UNEDITED) for i in copies.tolist())
                if progress:
                    progress(
                        done * len(others) // len(parts), len(others), stage="comparing pictures"
                    )

    def is_derived(self, lossless: int, lossy: int) -> bool:
        """Return whether a lossless file was made from a lossy one of its size that shows the same
        picture: it is an edit of it, or has its pixels."""
        if not self.unedited(np.array([[lossless, lossy]]))[0]:
            return True
        one, other = self._files[lossless], self._files[lossy]
        found = self.metadata[lossy]
        if not (one and other and found):
            return False
        side = min(found.width, found.height)
        pixels = [decode_image(read_source(file)[1], side) for file in (one, other)]
        difference = np.maximum(*pixels) - np.minimum(*pixels)
        return bool((difference <= EQUAL_LEVELS).mean() >= EQUAL_SHARE)

    def relations(self, pairs: Pairs, progress: Progress | None = None) -> npt.NDArray[np.int8]:
        """Return what each pair shows (p,): DIFFERENT, EDITED or UNEDITED."""
        codes = [(one, other) for one, other in np.sort(pairs, 1).tolist()]
        new = np.array(sorted(set(codes) - self._known.keys()), np.int64).reshape(-1, 2)
        for start in range(0, len(new), CHUNK):
            part = new[start : start + CHUNK]
            self.read_files(np.unique(part), None)
            answers = np.zeros(len(part), np.int8)
            readable = np.array([all(map(self.is_readable, pair)) for pair in part.tolist()])
            if not readable.all():
                near = self._cosines(part[~readable]) >= SAME_PICTURE_COSINE
                answers[~readable] = np.where(near, UNEDITED, DIFFERENT)
            answers[readable] = self._compare(part[readable])
            answers[[any(map(self._is_raw, pair)) for pair in part.tolist()]] = DIFFERENT
            self._known.update(
                zip(((a, b) for a, b in part.tolist()), answers.tolist(), strict=True)
            )
            if progress:
                progress(start + len(part), len(new), stage="comparing pictures")
        return np.array([self._known[code] for code in codes], np.int8)

    def _compare(self, pairs: Pairs) -> npt.NDArray[np.int8]:
        correlations, transforms = self._register(pairs)
        close = np.flatnonzero(correlations >= MIN_PATCH_CORRELATION)
        answers = np.zeros(len(pairs), np.int8)
        parts = [close[start : start + BATCH] for start in range(0, len(close), BATCH)]
        for part in parts:  # numpy itself uses threads
            first, second = ([self._reduced_image(i) for i in pairs[part, side]] for side in (0, 1))
            same = same_picture([r for r, _ in first], [r for r, _ in second], transforms[part])
            shown = np.flatnonzero(same)
            edited = are_edited([first[i][1] for i in shown], [second[i][1] for i in shown])
            answers[part] = np.where(same, UNEDITED, DIFFERENT)
            answers[part[shown[edited]]] = EDITED
        return answers

    def _quick_copies(self, item: int) -> QuickCopies | None:
        """Return the quick test for copies of an item, or None if it is not for such a picture."""
        if (pixels := self._whole(item)) is None:
            return None
        quick = QuickCopies(pixels)
        return quick if quick.among(pixels[None])[0] else None

    def _whole(self, item: int) -> Pixels | None:
        """Return the whole picture of an item, small, or None if it cannot be compared."""
        found = self._decoded(item, partial(decode_whole, side=WHOLE_SIDE))
        return None if found is None or found[0].raw else found[1]

    def _is_raw(self, item: int) -> bool:
        found = self.metadata[item]
        return found is not None and found.raw

    def _register(self, pairs: Pairs) -> tuple[npt.NDArray[np.float32], Transforms]:
        """Match the centre patch of each image of a pair in the other image.

        Returns the higher correlations (p,) and the transforms (p, 3, 3) from second to first.
        """
        correlations = np.full(len(pairs), -1, np.float32)
        transforms = np.zeros((len(pairs), 3, 3), np.float32)
        for side in (0, 1):
            order = np.argsort(pairs[:, side], kind="stable")
            cuts = np.flatnonzero(np.diff(pairs[order, side])) + 1
            for part in np.split(order, cuts) if len(order) else []:
                others = centre_patches(self._coarse[pairs[part, 1 - side]])
                found, where = match_patches(self._coarse[pairs[part[0], side]], others)
                better = found > correlations[part]
                correlations[part[better]] = found[better]
                transforms[part[better]] = np.linalg.inv(where[better]) if side else where[better]
        return correlations, transforms

    def _reduced_image(self, item: int) -> Reduced:
        found = self._cached_image(int(item))
        if found is None:
            file = self._files[item]
            raise ImageRejected("read", f"{file} changed while it was compared: try again")
        return found

    def _read(self, item: int) -> Reduced | None:
        decode = partial(decode_square_and_whole, size=DECODED_SIDE, side=WHOLE_SIDE)
        if not (found := self._decoded(item, decode)):
            return None
        metadata, (square, whole) = found
        return reduce_image(square), WholeImage(whole, min(metadata.width, metadata.height))

    def _decoded(self, item: int, decode: Callable[[bytes], T]) -> tuple[Metadata, T] | None:
        """Return the metadata and the pixels of an item, or None if it has no file or a bad one."""
        file = self._files[item]
        if file is None:
            return None
        try:
            _, data = read_source(file)
            found = read_metadata(data), decode(data)
        except ImageRejected:
            return None
        self.metadata[item] = found[0]
        return found
