"""Arguments that several commands share."""

import os
import sys


def expand_stdin(given: list[str]) -> list[str]:
    """Replace "-" by the paths on stdin: one per line, or separated by NUL."""
    names = []
    for name in given:
        if name == "-":
            data = sys.stdin.buffer.read()
            lines = data.split(b"\0") if b"\0" in data else data.splitlines()
            names += [os.fsdecode(line) for line in lines if line.strip()]
        else:
            names.append(name)
    return names
