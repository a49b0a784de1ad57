"""Search matches, and the report of the search benchmark."""

from dataclasses import dataclass
from pathlib import Path

from embedtool.search.recall_certificate import Certificate

EXACT_ROWS = 30_000  # search is exact up to this many vectors
# An index with fewer vectors gets no centre. The mean of 100 ranks almost as well as that of all.
FEWEST_VECTORS = 100
CENTRED = "cosine of the vectors less the collection's mean"  # what similarity is
PLAIN = "cosine of the vectors"  # what it is in an index without a centre


@dataclass(frozen=True)
class Match:
    """One image that matches a query."""

    rank: int  # from 1
    path: Path
    similarity: float  # in [-1, 1], see QueryMatches
    cluster: int | None = None  # from the last `cluster_index`; -1 for noise, None without one


@dataclass(frozen=True)
class QueryMatches:
    query: str
    matches: tuple[Match, ...]  # descending similarity
    certificate: Certificate | None = None  # that of approximate search; None if it was exact
    similarity: str = PLAIN  # what similarity is: PLAIN or CENTRED


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
