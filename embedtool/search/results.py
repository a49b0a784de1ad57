"""Matches, the certificate of an approximate index, and what its benchmark reports."""

from dataclasses import dataclass
from pathlib import Path

RECALL_AT = (1, 10, 100)
EXACT_ROWS = 30_000  # up to here every vector is compared
MIN_RECALL = 0.99  # of the 10 nearest, what approximate search must find by default


@dataclass(frozen=True)
class Certificate:
    """How an approximate index was made, and what it was measured to do on its own collection.

    recall: by k, the share of the k nearest vectors, as exact search finds them, that it finds, for
    `queries` vectors of the collection that were held out of it at the time. Latencies are of one
    query at a time, in milliseconds, the vectors being in the page cache.
    """

    method: str  # faiss's name of it
    dimensions: int  # principal axes it looks at
    breadth: int  # efSearch of a graph, nprobe of lists
    candidates: int  # compared exactly, for each match requested
    vectors: int
    last_id: int  # of the vectors in it; later ones are searched exactly beside it
    recall: dict[str, float]  # keys "1", "10", "100"
    queries: int
    latency_p50_ms: float
    latency_p99_ms: float
    exact_p50_ms: float
    memory_bytes: int  # of the file: memory-mapped, all that it can take
    build_seconds: float
    min_recall: float  # the requirement
    max_memory: int | None
    seed: int

    def meets(self, min_recall: float, max_memory: int | None) -> bool:
        """Return whether its recall among the 10 nearest and its memory in bytes suffice."""
        return self.recall["10"] >= min_recall and (
            max_memory is None or self.memory_bytes <= max_memory
        )


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
