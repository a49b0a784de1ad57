"""Read the bytes of a file, up to a size limit."""

import os
import stat
from dataclasses import replace

from embedtool.core.types import Source
from embedtool.errors import ImageRejected

MAX_BYTES = 1 << 30  # a file is held in memory while it is decoded


def source_of(path: str | bytes | os.PathLike[str]) -> Source:
    """Return a file as a source, before it was looked at: size and time are 0."""
    root, name = os.path.split(os.path.abspath(os.fsencode(path)))
    return Source(root, name, size=0, mtime_ns=0)


def read_source(source: Source) -> tuple[Source, bytes]:
    """Return a file's source, with its size and time when it was read, and its bytes.

    Raises ImageRejected of stage "read".
    """
    path = os.path.join(source.root, source.path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for ever
            raise ImageRejected("read", "not a regular file")
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_size > MAX_BYTES:
                raise ImageRejected(
                    "read", f"{status.st_size:,} bytes, more than the limit of {MAX_BYTES:,}"
                )
            data = file.read()
    except OSError as error:
        raise ImageRejected("read", error.strerror or str(error)) from error
    return replace(source, size=status.st_size, mtime_ns=status.st_mtime_ns), data
