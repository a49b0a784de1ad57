"""The certificate of an approximate index: its recall for several kinds of query."""

import math
from dataclasses import dataclass, field
from typing import Any

from embedtool.errors import DerivedDamaged

RECALL_AT = (1, 10, 100)
HELD_OUT, MIXED, UNRELATED, BLENDED = "held_out", "mixed", "unrelated", "blended"
QUERY_KINDS = {  # a kind of query -> what it is
    HELD_OUT: "images of the collection",
    MIXED: "mixtures of four of them",
    UNRELATED: "unrelated pictures",
    BLENDED: "mixtures of both",
}
MAX_COUNT = 1 << 62
MAX_SETTING = 1 << 16  # of breadth and candidates; those in use are at most 2,048
MIN_RECALL = 0.99  # the share of the 10 nearest that approximate search must find by default


@dataclass(frozen=True)
class Certificate:
    """The construction of an approximate index, and the recall and latency that were measured.

    Recall is the share of the true k nearest vectors that the index finds, by k. `recall` is what
    queries of all kinds find at least: the lowest of `recall_by_query`, whose keys are those of
    QUERY_KINDS, less its uncertainty. An index of an earlier version has nothing there, and
    `recall` is that of held-out vectors.
    Latencies are those of one query at a time, in milliseconds, with the vectors in the page cache.
    """

    method: str  # factory string of faiss
    dimensions: int  # number of principal axes
    breadth: int  # efSearch of a graph, nprobe of lists
    candidates: int  # compared exactly for each requested match
    vectors: int
    last_id: int  # the highest vector id in it; vectors with higher ids are searched exactly
    recall: dict[str, float]  # keys "1", "10", "100"
    queries: int  # number of queries of all kinds
    latency_p50_ms: float
    latency_p99_ms: float
    exact_p50_ms: float
    memory_bytes: int  # size of the file, the most memory it can take when memory-mapped
    build_seconds: float
    min_recall: float  # the requirement
    max_memory: int | None
    seed: int
    recall_by_query: dict[str, dict[str, float]] = field(default_factory=dict)
    centre: str = ""  # digest of the centre that similarity was measured from, "" for none

    @classmethod
    def of(cls, about: dict[str, Any]) -> "Certificate":
        """Return the certificate in a description. Raises DerivedDamaged if it is none."""
        try:
            found = cls(**about)
            counts = (found.dimensions, found.breadth, found.candidates, found.vectors)
            recalls = (found.recall, *found.recall_by_query.values())
            times = (found.latency_p50_ms, found.latency_p99_ms, found.exact_p50_ms)
            whole = (
                all(type(n) is int and n > 0 for n in (*counts, found.last_id, found.queries))
                and max(found.last_id, found.vectors) < MAX_COUNT
                and max(found.breadth, found.candidates) <= MAX_SETTING
                and all(recall.keys() == {*map(str, RECALL_AT)} for recall in recalls)
                and all(math.isfinite(share) for recall in recalls for share in recall.values())
                and all(map(math.isfinite, (*times, found.memory_bytes, found.build_seconds)))
                and math.isfinite(found.min_recall)
                and isinstance(found.max_memory, int | None)
                and isinstance(found.method, str)
                and found.recall_by_query.keys() <= QUERY_KINDS.keys()
            )
        except (TypeError, AttributeError, OverflowError):
            whole = False
        if not whole:
            raise DerivedDamaged("the approximate index has no valid certificate")
        return found

    def queries_measured(self) -> str:
        """Return the kinds of query that the recall is for, as text."""
        *others, last = [QUERY_KINDS[kind] for kind in self.recall_by_query or (HELD_OUT,)]
        return f"{', '.join(others)} and {last}" if others else last

    def meets(self, min_recall: float, max_memory: int | None) -> bool:
        """Return whether its recall@10 and its memory in bytes meet the requirements."""
        return self.recall["10"] >= min_recall and (
            max_memory is None or self.memory_bytes <= max_memory
        )
