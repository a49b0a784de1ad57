"""Search matches, and the report of the search benchmark."""

from dataclasses import dataclass
from pathlib import Path

from embedtool.search.recall_certificate import Certificate

EXACT_ROWS = 30_000  # search is exact up to this many vectors


@dataclass(frozen=True)
class Match:
    """One image that matches a query."""

    rank: int  # from 1
    path: Path
    similarity: float  # cosine, in [-1, 1]
    cluster: int | None = None  # from the last `cluster_index`; -1 for noise, None without one


@dataclass(frozen=True)
class QueryMatches:
    query: str
    matches: tuple[Match, ...]  # descending similarity
    certificate: Certificate | None = None  # that of approximate search; None if it was exact


@dataclass(frozen=True)
class SearchBenchRow:
    """The figures of a search method. Times are milliseconds per query.

    p50 and p99: of queries run one at a time. batch: of a batch over all cores. recall: by k.
    resident_mb: memory without mapped files."""

    method: str  # exact, or a factory string of faiss
    p50_ms: float
    p99_ms: float
    batch_ms: float
    speedup_p50: float  # over exact search
    speedup_batch: float
    recall: dict[str, float]
    resident_mb: float | None  # None if the system does not report it


@dataclass(frozen=True)
class SearchBenchReport:
    vectors: int
    synthetic: int  # how many of them are interpolated between real ones
    dim: int
    build_seconds: float
    certificate: Certificate
    rows: tuple[SearchBenchRow, ...]
