"""Matches, and what the benchmark of search reports."""

from dataclasses import dataclass
from pathlib import Path

from embedtool.search.recall_certificate import Certificate

EXACT_ROWS = 30_000  # up to here every vector is compared


@dataclass(frozen=True)
class Match:
    rank: int  # from 1
    path: Path
    similarity: float  # cosine, in [-1, 1]
    cluster: int | None = None  # as `cluster_index` last found it, -1 for noise; None where not


@dataclass(frozen=True)
class QueryMatches:
    query: str
    matches: tuple[Match, ...]  # descending similarity
    certificate: Certificate | None = None  # of the approximate index that found them; else exact


@dataclass(frozen=True)
class SearchBenchRow:
    """One way to search: milliseconds a query, alone and in a batch over all cores; recall by k;
    megabytes resident besides the files that are mapped."""

    method: str  # exact, or faiss's name of it
    p50_ms: float
    p99_ms: float
    batch_ms: float
    speedup_p50: float  # over exact search
    speedup_batch: float
    recall: dict[str, float]
    resident_mb: float | None  # None where the system does not say


@dataclass(frozen=True)
class SearchBenchReport:
    vectors: int
    synthetic: int  # of them, interpolated between real ones
    dim: int
    build_seconds: float
    certificate: Certificate
    rows: tuple[SearchBenchRow, ...]
