"""Checks of the values in a column of a query: in SQLite, each column can hold any type.

Each takes some rows' values at once, because a call for each value would take longer than the
query.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

Column = Sequence[Any]
Check = Callable[[Column], bool]


def integers(column: Column) -> bool:
    return {*map(type, column)} == {int}


def texts(column: Column) -> bool:
    return {*map(type, column)} == {str}


def blobs(column: Column) -> bool:
    return {*map(type, column)} == {bytes}


def roots(column: Column) -> bool:
    """Return whether all are absolute paths without ".." and NUL."""
    return blobs(column) and all(
        os.path.isabs(path) and b"\0" not in path and b".." not in path.split(b"/")
        for path in {*column}
    )


def inner_paths(column: Column) -> bool:
    """Return whether all are paths that stay below the root that they are joined to."""
    if not blobs(column):
        return False
    joined = b"\0".join([b"", *column])
    return (
        joined.count(b"\0") == len(column)
        and b"\0/" not in joined
        and (b".." not in joined or not any(b".." in path.split(b"/") for path in column))
    )
