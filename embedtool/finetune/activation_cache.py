"""The outputs of the frozen layers for every picture, cached on disk.

    <cache>/activations/<name>/rows     rows of a fixed number of bytes
    <cache>/activations/<name>/keys     key and CRC-32 of each row, written after it

A folder belongs to one frozen part and one augmentation. It may be deleted at any time. A damaged
row is computed again, and a killed run continues where it stopped. If a new folder needs space, the
least recently used one is deleted.
"""

import os
import shutil
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from embedtool.core.lock import acquire_lock
from embedtool.errors import IndexLocked

KEY = 32  # bytes; see augmentation.copy_key
RECORD = KEY + 4


class ActivationStore:
    """A store of rows by key. Raises IndexLocked if another process has it open."""

    def __init__(self, folder: Path, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
        self.folder, self.shape, self.dtype = folder, shape, dtype
        self.row_bytes = int(np.prod(shape)) * dtype.itemsize
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = acquire_lock(folder)
        os.utime(folder)  # mark as used
        self._rows = open(folder / "rows", "a+b")  # noqa: SIM115 - closed by close()
        self._keys = open(folder / "keys", "a+b")  # noqa: SIM115
        self._keys.seek(0)
        records = self._keys.read()
        whole = min(len(records) // RECORD, os.fstat(self._rows.fileno()).st_size // self.row_bytes)
        self._keys.truncate(whole * RECORD)
        self._rows.truncate(whole * self.row_bytes)
        self._count = whole
        self._place: dict[bytes, int] = {}
        self._crc: list[int] = []
        for number in range(whole):
            record = records[number * RECORD : (number + 1) * RECORD]
            self._place[record[:KEY]] = number
            self._crc.append(int.from_bytes(record[KEY:], "little"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rows.close()
        self._keys.close()
        os.close(self._lock)

    def missing(self, keys: Iterable[bytes]) -> list[bytes]:
        """Return the keys that have no intact row, and delete damaged rows."""
        rows = self._mapped()
        absent = []
        for key in keys:
            number = self._place.get(key)
            if number is not None and zlib.crc32(rows[number]) != self._crc[number]:
                del self._place[key]
                number = None
            if number is None:
                absent.append(key)
        return absent

    def size_with(self, keys: Iterable[bytes]) -> int:
        """Return the size in bytes of all rows once each of these keys has one."""
        return len(self._place.keys() | set(keys)) * self.row_bytes

    def append(self, key: bytes, row: npt.NDArray[Any]) -> None:
        """Add a row. If killed between the two writes, the row has no key and is ignored."""
        content = np.ascontiguousarray(row, self.dtype).tobytes()
        crc = zlib.crc32(content)
        self._rows.write(content)
        self._rows.flush()
        self._keys.write(key + crc.to_bytes(4, "little"))
        self._keys.flush()
        self._place[key] = self._count
        self._crc.append(crc)
        self._count += 1

    def rows(self, keys: Sequence[bytes]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """Return all rows (m, *shape), mapped from disk, and the row number of each key."""
        places = np.array([self._place[key] for key in keys], np.int64)
        return self._mapped().view(self.dtype).reshape(-1, *self.shape), places

    def _mapped(self) -> npt.NDArray[np.uint8]:
        if not self._count:
            return np.empty((0, self.row_bytes), np.uint8)
        shape = (self._count, self.row_bytes)
        return np.memmap(self.folder / "rows", np.uint8, "r", shape=shape)


def evict(root: Path, own: Sequence[Path], needed: int, bound: int) -> bool:
    """Delete the least recently used folders of root, except `own`, until the rest and `own`, at
    `needed` bytes, fit in `bound` bytes. Return whether they fit."""
    sizes = {path: _size(path) for path in root.glob("*") if path.is_dir() and path not in own}
    for path in sorted(sizes, key=lambda p: p.stat().st_mtime):
        if needed + sum(sizes.values()) <= bound:
            break
        try:
            os.close(acquire_lock(path))
        except IndexLocked:  # another run is filling it
            continue
        shutil.rmtree(path)
        del sizes[path]
    return needed + sum(sizes.values()) <= bound


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*"))
