"""The result of `find_duplicates`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Keep = Literal["original", "largest", "oldest", "first-root"]  # see embedtool.duplicates.keep_rule


@dataclass(frozen=True)
class DuplicateGroup:
    """A group of images that show one picture ("identical" bytes, "near-identical" or "edited") or
    look much the same ("similar"), and the one to keep."""

    kind: str
    keep: Path
    reason: str  # why `keep` is kept
    paths: tuple[Path, ...]  # the kept image first, then by descending similarity to it
    similarities: tuple[float, ...]  # cosine of each image to the kept one
    redundant: tuple[Path, ...]  # never `keep`, and none in an "edited" or "similar" group
    verified: bool  # False if pixels could not be compared because a file is gone
    sha256: tuple[str, ...]  # of the bytes of each image when it was indexed

    @property
    def similarity(self) -> float:
        """The lowest similarity of a member to the kept image."""
        return min(self.similarities)


@dataclass(frozen=True)
class Duplicates:
    """Groups of duplicates, ordered by kind, and within a kind by descending similarity."""

    index: Path
    roots: tuple[Path, ...]
    images: int
    groups: tuple[DuplicateGroup, ...]
    notes: tuple[str, ...] = ()
