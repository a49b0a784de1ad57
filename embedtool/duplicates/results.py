"""The result of `find_duplicates`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DuplicateGroup:
    """A group of images that show one picture ("identical" bytes or "near-identical") or look much
    the same ("similar"), and the one to keep."""

    kind: str
    keep: Path
    reason: str  # why `keep` is kept
    paths: tuple[Path, ...]  # the kept image first, then by descending similarity to it
    similarities: tuple[float, ...]  # cosine of each image to the kept one
    redundant: tuple[Path, ...]  # images to move away: never `keep`, none in a "similar" group
    verified: bool  # False if pixels could not be compared because a file is gone

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
