"""Arguments that several commands share."""

import os
import sys


def _names(given: list[str]) -> list[str]:
    """The arguments, with - replaced by the paths on stdin: a line each, or NUL-separated."""
    names = []
    for name in given:
        if name == "-":
            data = sys.stdin.buffer.read()
            lines = data.split(b"\0") if b"\0" in data else data.splitlines()
            names += [os.fsdecode(line) for line in lines if line.strip()]
        else:
            names.append(name)
    return names
