"""Read files that a stranger may have made: links, pipes, sizes and nesting are checked."""

import errno
import io
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, AnyStr, cast

MAX_JSON = 64 << 20  # bytes of a JSON file of ours; the largest list a million training images
MAX_DEPTH = 32  # levels of nesting in it
MAX_LINE = 1 << 20  # characters of a line of a table or of a list of paths
HALF_PAIR = re.compile("[\ud800-\udc7f\udd00-\udfff]")
# The last bytes of a journal of SQLite that names another one. When SQLite has rolled it back, it
# deletes the file of that name, whatever it is. No database of ours has such a journal.
SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")


def open_regular(path: Path, mode: str = "rb", *, follow: bool = False) -> io.BufferedRandom:
    """Open a regular file. A pipe or a device raises OSError, and does not block.

    follow: also open the file that a symbolic link points to; otherwise a link raises OSError."""

    def opener(name: str, flags: int) -> int:
        flags |= getattr(os, "O_NONBLOCK", 0) | (0 if follow else getattr(os, "O_NOFOLLOW", 0))
        try:
            handle = os.open(name, flags, 0o666)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OSError(errno.ELOOP, "symbolic links are not followed", name) from None
            raise
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.EINVAL, "expected a regular file", name)
        return handle

    return cast(io.BufferedRandom, open(path, mode, opener=opener))


def names_another_file(journal: Path) -> bool:
    """Return whether a journal makes SQLite delete another file. Call this before opening its
    database."""
    try:
        with open_regular(journal) as file:
            file.seek(-min(len(SUPER_JOURNAL), os.fstat(file.fileno()).st_size), os.SEEK_END)
            return file.read() == SUPER_JOURNAL
    except FileNotFoundError:
        return False


def bounded_lines(file: IO[AnyStr]) -> Iterator[AnyStr]:
    """Yield the lines of an open file. Raises ValueError if one has more than MAX_LINE characters,
    as a file of another kind does that has no line breaks."""
    while line := file.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise ValueError(f"expected lines of at most {MAX_LINE:,} characters")
        yield line


def read_json(path: Path, *, follow: bool = False) -> Any:
    """Return the content of a JSON file.

    Raises OSError as `open_regular` does, and ValueError as `parse_json` does."""
    with open_regular(path, follow=follow) as file:
        return parse_json(file.read(MAX_JSON + 1))


def parse_json(text: str | bytes) -> Any:
    """Parse JSON. Raises ValueError if it is invalid, too long or too deeply nested, or has half of
    a surrogate pair. U+DC80 to U+DCFF stand for bytes of file names that are not UTF-8."""
    if len(text) > MAX_JSON:
        raise ValueError(f"expected JSON of at most {MAX_JSON:,} bytes")
    too_deep = ValueError(f"expected JSON with at most {MAX_DEPTH} levels of nesting")
    try:
        content = json.loads(text)
    except RecursionError:
        raise too_deep from None
    level = [content]
    for _ in range(MAX_DEPTH):
        if any(isinstance(value, str) and HALF_PAIR.search(value) for value in level):
            raise ValueError("expected no half of a surrogate pair")
        level = [inner for value in level for inner in _children(value)]
        if not level:
            return content
    raise too_deep


def _children(value: Any) -> Any:
    if isinstance(value, dict):
        return (*value, *value.values())
    return value if isinstance(value, list) else ()
