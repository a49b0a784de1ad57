"""What one run of `index` did."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class IndexReport:
    """What one run of `index` did. Every file listed is in exactly one of added, updated,
    renamed, unchanged, duplicates and rejected; `total` is their sum. `removed` rows had no file
    any more."""

    index: Path
    model: str
    added: int
    updated: int
    renamed: int
    removed: int
    unchanged: int
    duplicates: int
    rejected: int
    total: int
    seconds: float
    images_per_second: float
    notes: tuple[str, ...] = ()
