"""Which files may be decoded in this process.

A decoder that crashes takes the process with it, and one that hangs is killed from outside. So
each thread writes the SHA-256 of what it decodes into its slot of a small mapped file,
<index>/decoding, and clears it after. A run that ends well removes the file. One that finds it
takes what its slots name for suspects, and decodes those in other processes: a run killed in an
ordinary moment leaves names as well, so most suspects are innocent. The file grows by the slots of
each run until one ends well, so that however many files crash, no run forgets what an earlier one
died of.
"""

import mmap
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from embedtool.core.types import Pixels
from embedtool.errors import EmbedtoolError
from embedtool.images.decode import decode_image
from embedtool.images.formats import HEAD, NOISY, sniff

if TYPE_CHECKING:
    from embedtool.images.decode_process import DecodeProcesses
SLOT = 32  # bytes of a SHA-256, and of the record's head
EMPTY = bytes(SLOT)
RECORD_HEAD = b"embedtool: decoding these\n".ljust(32)


class Quarantine:
    """Decodes for several threads: here, or in another process what could crash, hang or write to
    stderr."""

    def __init__(self, record: Path | None, *, workers: int) -> None:
        """record: the file that names what is being decoded, of an index whose lock is held; None
        keeps no record. workers: the threads that will decode.
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
        """As `decode_image`; digest: the SHA-256 of data."""
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
        """The record, mapped, and where in it this run's slots begin."""
        old = file.read_bytes() if file.exists() else b""
        if not is_record(old):
            raise EmbedtoolError(
                f"expected the record of an earlier run in {file}, found a file of another kind. "
                "Move it elsewhere, then run this again"
            )
        ends = range(2 * SLOT, len(old) + 1, SLOT)
        self._suspects = {old[end - SLOT : end] for end in ends} - {EMPTY}
        first = SLOT * (1 + len(ends))
        with open(file, "a+b") as opened:
            if len(old) < SLOT:  # new, or killed at this very place
                opened.truncate(0)
                opened.write(RECORD_HEAD)
            else:
                opened.truncate(first)
            opened.write(EMPTY * workers)  # written, so that the mapping never lacks a block
            opened.flush()
            return mmap.mmap(opened.fileno(), 0), [first + SLOT * n for n in range(workers)]


def is_record(content: bytes) -> bool:
    """Whether a file is a record of what is decoded, or the beginning of one."""
    return RECORD_HEAD.startswith(content[: len(RECORD_HEAD)])
