"""Which images show the same picture: their files read once, small, and compared in pairs."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from embedtool.core.threads import cpu_count
from embedtool.core.types import Progress, Source
from embedtool.duplicates.image_registration import (
    DECODED,
    PLACED,
    SMALL,
    Placements,
    ReducedImage,
    patches,
    place,
    reduce_image,
    same_picture,
    small,
)
from embedtool.errors import ImageRejected
from embedtool.images.decode import decode_image, image_size
from embedtool.images.read_file import read_source

Pairs = npt.NDArray[np.int64]  # (p, 2) items, the lesser first
Cosines = Callable[[Pairs], npt.NDArray[np.float32]]
PORTRAITS = 8192  # kept for the close comparison, 17 kB each; others are read again
TOGETHER = 64  # pairs compared closely at a time
ALONE = 0.985  # cosine that stands for pixels where a file is gone: no two different clothing


# photos reach it, with either network


class PicturePairs:
    """Compares items 0 to n - 1, each one image file, or None where there is no file to read."""

    def __init__(self, files: Sequence[Source | None], cosines: Cosines) -> None:
        self._files = files
        self._cosines = cosines
        self._small = np.zeros((len(files), SMALL, SMALL), np.uint8)
        self._known: dict[tuple[int, int], bool] = {}
        self._looked = np.zeros(len(files), np.bool_)
        self.sizes = np.zeros((len(files), 2), np.int64)  # width, height; 0 where unread
        self._portrait = lru_cache(PORTRAITS)(self._read)

    def read(self, item: int) -> bool:
        """Whether an item's pixels can be compared."""
        return bool(self.sizes[item, 0])

    def look(self, items: Pairs, progress: Progress | None) -> None:
        """Read the files of these items, each once, on all cores."""
        items = items[~self._looked[items]]
        with ThreadPoolExecutor(cpu_count()) as pool:
            for done, (item, found) in enumerate(
                zip(items.tolist(), pool.map(self._portrait, items.tolist()), strict=True), 1
            ):
                self._looked[item] = True
                if found:
                    self._small[item] = small(found)
                if progress:
                    progress(done, len(items), 0, "reading pictures")

    def same(self, pairs: Pairs, progress: Progress | None = None) -> npt.NDArray[np.bool_]:
        """Whether the two of each pair show the same picture."""
        codes = [(one, other) for one, other in np.sort(pairs, 1).tolist()]
        new = np.array(sorted(set(codes) - self._known.keys()), np.int64).reshape(-1, 2)
        if new.size:
            self.look(np.unique(new), progress)
            answers = np.zeros(len(new), np.bool_)
            readable = (self.sizes[new, 0] > 0).all(1)
            if not readable.all():
                answers[~readable] = self._cosines(new[~readable]) >= ALONE
            answers[readable] = self._compare(new[readable], progress)
            self._known.update(
                zip(((a, b) for a, b in new.tolist()), answers.tolist(), strict=True)
            )
        return np.array([self._known[code] for code in codes], np.bool_)

    def untested(self, pairs: Pairs) -> Pairs:
        """Those of the pairs that `same` has not been asked about."""
        new = [pair for pair in pairs.tolist() if tuple(sorted(pair)) not in self._known]
        return np.array(new, np.int64).reshape(-1, 2)

    def _compare(self, pairs: Pairs, progress: Progress | None) -> npt.NDArray[np.bool_]:
        scores, placements = self._place(pairs)
        close = np.flatnonzero(scores >= PLACED)
        answers = np.zeros(len(pairs), np.bool_)
        parts = [close[start : start + TOGETHER] for start in range(0, len(close), TOGETHER)]

        for done, part in enumerate(parts, 1):  # numpy is threaded within
            first, second = ([self._kept(i) for i in pairs[part, side]] for side in (0, 1))
            answers[part] = same_picture(first, second, placements[part])
            if progress:
                progress(min(done * TOGETHER, len(close)), len(close), 0, "comparing pictures")
        return answers

    def _place(self, pairs: Pairs) -> tuple[npt.NDArray[np.float32], Placements]:
        """Each of a pair sought in the other; placements take the second to the first."""
        scores = np.full(len(pairs), -1, np.float32)
        placements = np.zeros((len(pairs), 3, 3), np.float32)
        for side in (0, 1):
            order = np.argsort(pairs[:, side], kind="stable")
            cuts = np.flatnonzero(np.diff(pairs[order, side])) + 1
            for part in np.split(order, cuts) if len(order) else []:
                others = patches(self._small[pairs[part, 1 - side]])
                found, where = place(self._small[pairs[part[0], side]], others)
                better = found > scores[part]
                scores[part[better]] = found[better]
                placements[part[better]] = np.linalg.inv(where[better]) if side else where[better]
        return scores, placements

    def _kept(self, item: int) -> ReducedImage:
        found = self._portrait(int(item))
        if found is None:
            file = self._files[item]
            raise ImageRejected("read", f"{file} changed while it was compared: run this again")
        return found

    def _read(self, item: int) -> ReducedImage | None:
        file = self._files[item]
        if file is None:
            return None
        try:
            _, data = read_source(file)
            found = reduce_image(decode_image(data, DECODED))
            self.sizes[item] = image_size(data)
        except ImageRejected:
            return None
        return found
