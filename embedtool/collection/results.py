"""The reports of operations on a collection."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class IndexReport:
    """The report of one run of `index`.

    Each listed file is counted in exactly one of added, updated, renamed, unchanged, duplicates and
    rejected; `total` is their sum. `removed` counts indexed images whose file was gone."""

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
    """The result of embedding a sample of images again."""

    compared: int
    skipped: int  # the file is gone or has changed: run `index`
    lowest_cosine: float | None  # between stored and new vectors; None if none was compared
    faults: tuple[str, ...]


@dataclass(frozen=True)
class CompactReport:
    """The number of vector files and their size in bytes, before and after."""

    segments_before: int
    segments_after: int
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True)
class BenchRow:
    """The speed of one network on all cores, as medians over the rounds."""

    model: str
    precision: str
    decode_images_per_second: float
    inference_images_per_second: float
    bound_images_per_second: float  # 1 / (1/decode + 1/inference): both on the same cores
    end_to_end_images_per_second: float  # from files to committed vectors
    share_of_bound: float
    speedup_over_keras: float  # of end to end, computed within each round


@dataclass(frozen=True)
class BenchReport:
    images: int
    cores: int
    rounds: int
    keras_model: str
    keras_images_per_second: float  # image_dataset_from_directory and model.predict
    rows: tuple[BenchRow, ...]
