"""What the operations on a collection report."""

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


@dataclass(frozen=True)
class DeepCheck:
    """What came of embedding a sample of images again."""

    compared: int
    skipped: int  # their file is gone or has changed since, so `index` is what they need
    lowest_cosine: float | None  # of a stored vector and the new one; None where none was compared
    faults: tuple[str, ...]


@dataclass(frozen=True)
class CompactReport:
    """Vector files and their bytes, before and after."""

    segments_before: int
    segments_after: int
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True)
class BenchRow:
    """The speed of one network on all cores, medians over the rounds."""

    model: str
    precision: str
    decode_images_per_second: float
    inference_images_per_second: float
    bound_images_per_second: float  # 1 / (1/decode + 1/inference): both on the same cores, no more
    end_to_end_images_per_second: float  # from files to committed vectors
    share_of_bound: float
    speedup_over_keras: float  # of end to end, each round by itself


@dataclass(frozen=True)
class BenchReport:
    images: int
    cores: int
    rounds: int
    keras_model: str
    keras_images_per_second: float  # image_dataset_from_directory and model.predict
    rows: tuple[BenchRow, ...]
