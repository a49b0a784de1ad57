"""Conditions that images must meet to be searched."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from embedtool.core.paths import folder_label
from embedtool.errors import UsageError


@dataclass(frozen=True)
class Filter:
    """A filter that accepts images that have one of the labels and are in one of the folders.

    An empty condition accepts all images."""

    labels: frozenset[bytes] = frozenset()
    folders: tuple[bytes, ...] = ()

    def accepts(self, root: bytes, path: bytes) -> bool:
        full = os.path.join(root, path)
        return (not self.labels or folder_label(root, path) in self.labels) and (
            not self.folders
            or any(full == f or full.startswith(f.rstrip(b"/") + b"/") for f in self.folders)
        )


def parse_filter(conditions: Sequence[str]) -> Filter | None:
    """Parse `label=NAME` and `path=FOLDER`, each any number of times. Return None without any.

    Raises UsageError.
    """
    labels, folders = set(), []
    for condition in conditions:
        key, equals, value = condition.partition("=")
        if key == "label" and equals:
            labels.add(os.fsencode(value))
        elif key == "path" and value:
            folders.append(os.path.abspath(os.fsencode(value)))
        else:
            raise UsageError(f"expected label=NAME or path=FOLDER, received {condition!r}")
    return Filter(frozenset(labels), tuple(folders)) if conditions else None
