"""The certificate of an approximate index: the recall that was measured on its own collection."""

from dataclasses import dataclass

RECALL_AT = (1, 10, 100)
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
