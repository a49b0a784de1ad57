"""Quarantine: files that may crash or hang a decoder are decoded in other processes.

A decoder that crashes ends its process, and one that hangs is killed from outside. So each thread
writes the SHA-256 of the file that it decodes to its slot of a small mapped file, <index>/decoding,
and clears the slot afterwards. A run that ends normally removes the file. If a run finds the file,
it treats the files named in the slots as suspects and decodes them in other processes. Most
suspects are harmless, because a run that is killed for another reason leaves names too. Each run
adds its slots to the file until one ends normally, so that no suspect is lost, however many files
crash.
"""

import mmap
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from embedtool.core.foreign_files import open_regular
from embedtool.core.types import Pixels
from embedtool.errors import EmbedtoolError
from embedtool.images.decode import decode_image
from embedtool.images.formats import HEAD, NOISY, sniff

if TYPE_CHECKING:
    from embedtool.images.decode_process import DecodeProcesses
SLOT = 32  # bytes of a SHA-256, and of the record's header
EMPTY = bytes(SLOT)
MAX_RECORD = 1 << 20  # bytes: 32,768 suspects
RECORD_HEAD = b"embedtool: decoding these\n".ljust(32)


class Quarantine:
    """A decoder for several threads, which uses other processes for risky files.

    These are files that could crash, hang or write to stderr."""

    def __init__(self, record: Path | None, *, workers: int) -> None:
        """record: the file that names what is being decoded, in an index whose lock is held; None
        for no record. workers: the number of threads that will decode.
        Raises EmbedtoolError if that file is of another kind."""
        self._processes: DecodeProcesses | None = None
        self._starting = threading.Lock()
        self._file = record
        self._suspects: set[bytes] = set()
        if self._file:
            self._map, self._free = self._open(self._file, workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._processes:
            self._processes.close()
        if self._file:
            settled = kind is None or not any(self._map[SLOT:])
            self._map.close()
            if settled:
                self._file.unlink()

    def decode(self, digest: bytes, data: bytes, size: int) -> Pixels:
        """Return the pixels as `decode_image` does. digest: the SHA-256 of data."""
        if digest in self._suspects:
            return self._other_processes().decode(data, size, fresh=True)
        if sniff(data[:HEAD]) in NOISY:
            return self._other_processes().decode(data, size)
        if not self._file:
            return decode_image(data, size)
        start = self._free.pop()
        slot = slice(start, start + SLOT)
        self._map[slot] = digest
        try:
            return decode_image(data, size)
        finally:
            self._map[slot] = EMPTY
            self._free.append(start)

    def _other_processes(self) -> "DecodeProcesses":
        with self._starting:
            if self._processes is None:
                from embedtool.images.decode_process import DecodeProcesses

                self._processes = DecodeProcesses()
            return self._processes

    def _open(self, file: Path, workers: int) -> tuple[mmap.mmap, list[int]]:
        """Return the mapped record, and the offsets of the slots of this run."""
        with open_regular(file, "a+b") as opened:
            opened.seek(0)
            old = opened.read(MAX_RECORD + 1)
        if not is_record(old) or len(old) > MAX_RECORD:
            raise EmbedtoolError(
                f"expected the record of an earlier run in {file}, found a file of another kind. "
                "Move it elsewhere, then run this again"
            )
        ends = range(2 * SLOT, len(old) + 1, SLOT)
        self._suspects = {old[end - SLOT : end] for end in ends} - {EMPTY}
        first = SLOT * (1 + len(ends))
        with open_regular(file, "a+b") as opened:
            if len(old) < SLOT:  # the file is new, or an earlier run was killed here
                opened.truncate(0)
                opened.write(RECORD_HEAD)
            else:
                opened.truncate(first)
            opened.write(EMPTY * workers)  # allocates the blocks, so that the mapping is valid
            opened.flush()
            return mmap.mmap(opened.fileno(), 0), [first + SLOT * n for n in range(workers)]


def is_record(content: bytes) -> bool:
    """Return whether a file is a record of what is decoded, or the beginning of one."""
    return RECORD_HEAD.startswith(content[: len(RECORD_HEAD)])
