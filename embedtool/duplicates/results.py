"""What `find_duplicates` found."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DuplicateGroup:
    """Images that show one picture ("identical" bytes, "near-identical") or much the same thing
    ("similar"), and which of them to keep."""

    kind: str
    keep: Path
    reason: str  # why this one
    paths: tuple[Path, ...]  # the kept one first, then by descending similarity to it
    similarities: tuple[float, ...]  # of each to the kept one, cosine
    redundant: tuple[Path, ...]  # those to move away: never `keep`, none of "similar"
    verified: bool  # False where pixels could not be compared, since a file is gone

    @property
    def similarity(self) -> float:
        """The least similarity of a member to the kept one."""
        return min(self.similarities)


@dataclass(frozen=True)
class Duplicates:
    """What `find_duplicates` found: groups by kind, and in a kind by descending similarity."""

    index: Path
    roots: tuple[Path, ...]
    images: int
    groups: tuple[DuplicateGroup, ...]
    notes: tuple[str, ...] = ()
