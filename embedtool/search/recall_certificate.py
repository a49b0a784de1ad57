"""The certificate of an approximate index: the recall measured on its own collection."""

from dataclasses import dataclass

RECALL_AT = (1, 10, 100)
MIN_RECALL = 0.99  # the share of the 10 nearest that approximate search must find by default


@dataclass(frozen=True)
class Certificate:
    """The construction of an approximate index, and its recall and latency on its own collection.

    recall: by k, the share of the true k nearest vectors that the index finds. It was measured with
    `queries` vectors of the collection that were held out of the index for this purpose.
    Latencies are those of one query at a time, in milliseconds, with the vectors in the page cache.
    """

    method: str  # factory string of faiss
    dimensions: int  # number of principal axes
    breadth: int  # efSearch of a graph, nprobe of lists
    candidates: int  # compared exactly for each requested match
    vectors: int
    last_id: int  # the highest vector id in it; vectors with higher ids are searched exactly
    recall: dict[str, float]  # keys "1", "10", "100"
    queries: int
    latency_p50_ms: float
    latency_p99_ms: float
    exact_p50_ms: float
    memory_bytes: int  # size of the file, the most memory it can take when memory-mapped
    build_seconds: float
    min_recall: float  # the requirement
    max_memory: int | None
    seed: int

    def meets(self, min_recall: float, max_memory: int | None) -> bool:
        """Return whether its recall@10 and its memory in bytes meet the requirements."""
        return self.recall["10"] >= min_recall and (
            max_memory is None or self.memory_bytes <= max_memory
        )
