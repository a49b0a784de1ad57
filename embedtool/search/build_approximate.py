"""Build the approximate index of a collection, measure it, and publish it if it is good enough.

Recall is measured under the conditions of use: against exact search, through the code that answers
queries, with vectors that are not in the index. A photo that looks like the collection is found
more easily than one that does not, so there are several kinds of query, and the lowest recall
counts.
"""

import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Progress, Vectors
from embedtool.errors import DerivedDamaged, UsageError
from embedtool.search.exact import Block, Similarities, merge, nearest
from embedtool.search.faiss_index import ORDERING_AXES, FaissIndex, locality_order, principal_axes
from embedtool.search.measure_recall import (
    Shares,
    found_shares,
    promised_recall,
    queries_by_kind,
    query_milliseconds,
)
from embedtool.search.recall_certificate import (
    MIN_RECALL,
    RECALL_AT,
    Certificate,
)
from embedtool.search.results import EXACT_ROWS
from embedtool.search.searcher import ApproximateSearcher, ExactSearcher, Searcher
from embedtool.store.derived import SEARCH, publish, read_about
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

QUERIES = 1000  # vectors that are held out of the index, to measure recall with
TRAINING_SAMPLE = 20_480  # vectors that axes and codes are fitted to
SAMPLE_PER_LIST = 40  # faiss warns if it has fewer vectors to train a list
TIMED_QUERIES = 200  # queries that latency is measured with
TIMED_EXACT_QUERIES = 5
ADD_ROWS = 16_384  # added at a time: 84 MB at d = 1,280; each call of faiss has a fixed cost


@dataclass(frozen=True)
class Plan:
    method: str
    dimensions: int
    bytes: int  # per vector, roughly: a plan too large for max_memory is not tried
    settings: tuple[tuple[int, int], ...]  # (breadth, candidates per match), cheapest first


PLANS = (
    Plan(
        "HNSW24_SQ8",
        223,
        460,
        (
            (64, 3),
            (96, 3),
            (128, 4),
            (192, 4),
            (256, 6),
            (384, 8),
            (512, 10),
            (768, 15),
            (1024, 20),
            (1536, 30),
            (2048, 40),
        ),
    ),
    Plan(
        "IVF{lists},PQ{pairs}x4fs",
        127,
        45,
        ((16, 20), (32, 40), (64, 40), (128, 80), (256, 160), (512, 160), (512, 320)),
    ),
)


def ensure_certified(
    index: IndexReader,
    min_recall: float | None,
    max_memory: int | None,
    *,
    unrelated: Vectors | None = None,
    progress: Progress | None = None,
) -> bool:
    """Return whether the approximate index meets the requirements. Build a new one if needed.

    Warns if none can meet them. Raises IndexLocked if one must be built while another process
    is writing.
    """
    recall = MIN_RECALL if min_recall is None else min_recall
    if not 0 < recall <= 1:
        raise UsageError(
            f"expected a minimum recall above 0 and up to 1, such as 0.99, received {min_recall}"
        )
    if index.counts()["vectors"] <= EXACT_ROWS:
        return False
    try:
        about = read_about(index.path, SEARCH, index.fingerprint)
        if about and Certificate.of(about).meets(recall, max_memory):
            return True
    except DerivedDamaged:
        pass
    with Writer(index.path) as writer:
        made = build_search_index(
            writer,
            unrelated=unrelated,
            min_recall=recall,
            max_memory=max_memory,
            only_if_met=True,
            progress=progress,
        )
    return made.meets(recall, max_memory)


def build_search_index(
    index: Writer,
    *,
    unrelated: Vectors | None = None,
    min_recall: float = MIN_RECALL,
    max_memory: int | None = None,
    only_if_met: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Certificate:
    """Build, measure and publish the first plan that meets the limits of recall and memory.

    If none does, a warning is issued, and the plan with the highest recall is published, or with
    `only_if_met` none. Returns the certificate of the plan.

    unrelated: vectors (m, d) of pictures that look like no collection, to measure recall with.
    """
    index.drop((), ())  # a vector left without an image could get one later and not be found
    trial = _Trial(index, unrelated, seed, progress)
    count = len(trial.rest) + len(trial.held_out)
    fitting = [p for p in PLANS if max_memory is None or p.bytes * count <= max_memory]
    made = []
    for plan in fitting or PLANS[-1:]:
        made.append(trial.run(plan, min_recall, max_memory))
        if made[-1][0].meets(min_recall, max_memory):
            break
    certificate, approximate = max(
        made, key=lambda one: (one[0].meets(min_recall, max_memory), one[0].recall["10"])
    )
    met = certificate.meets(min_recall, max_memory)
    if not met:
        limit = "" if max_memory is None else f" within {max_memory / 1e6:,.0f} MB"
        instead = "search is exact and slower" if only_if_met else "search uses this one"
        warnings.warn(
            f"no approximate index of these {certificate.vectors:,} vectors has a recall of "
            f"{min_recall:.1%}{limit}. The best one has {certificate.recall['10']:.1%} in "
            f"{certificate.memory_bytes / 1e6:,.0f} MB, so {instead}",
            stacklevel=2,
        )
    if met or not only_if_met:
        publish(
            index.path,
            SEARCH,
            "faiss",
            asdict(certificate),
            approximate.write,
            fingerprint=index.fingerprint,
        )
    return certificate


class _Trial:
    """A collection, the queries, and the results of exact search for them."""

    def __init__(
        self, index: Writer, unrelated: Vectors | None, seed: int, progress: Progress | None
    ) -> None:
        self.index = index
        self.seed = seed
        self.progress = progress
        random = np.random.default_rng(seed)
        places = index.places_after(0)
        self.last_id = int(places["id"][-1])
        self.held_out = np.sort(random.choice(places, QUERIES, replace=False), order="id")
        rest = places[~np.isin(places["id"], self.held_out["id"])]
        self.sample = index.rows_at(
            random.choice(rest, min(TRAINING_SAMPLE, len(rest)), replace=False)
        )
        self.axes = principal_axes(self.sample)
        self.own = index.rows_at(self.held_out)
        self.kinds = queries_by_kind(self.own, unrelated)
        self.queries = np.concatenate(list(self.kinds.values()))
        self.rest, self.truth = self._order_and_truth(np.sort(rest, order=["segment", "row"]))
        times = query_milliseconds(ExactSearcher(index), self.own[: TIMED_EXACT_QUERIES + 1])
        self.exact_p50_ms = float(np.median(times[1:]))  # the first query checks every segment

    def run(
        self, plan: Plan, min_recall: float, max_memory: int | None
    ) -> tuple[Certificate, FaissIndex]:
        """Build the index of a plan, and measure its settings until one has enough recall."""
        start = time.perf_counter()
        dimensions = min(plan.dimensions, self.index.dim - 1)
        dimensions -= 1 - dimensions % 2  # one is added later, and codes need an even number
        method = plan.method.format(
            pairs=(dimensions + 1) // 2, lists=len(self.sample) // SAMPLE_PER_LIST
        )
        approximate = FaissIndex.empty(method, self.sample, self.axes[:dimensions])
        self._fill(approximate)
        for breadth, candidates in plan.settings:
            certificate = Certificate(
                method=method,
                dimensions=dimensions,
                breadth=breadth,
                candidates=candidates,
                vectors=len(self.rest) + len(self.held_out),
                last_id=self.last_id,
                recall={},
                queries=len(self.queries),
                latency_p50_ms=0,
                latency_p99_ms=0,
                exact_p50_ms=self.exact_p50_ms,
                memory_bytes=0,
                build_seconds=0,
                min_recall=min_recall,
                max_memory=max_memory,
                seed=self.seed,
            )
            searcher = ApproximateSearcher(self.index, approximate, certificate)
            of_ten = self._shares(searcher, 10)
            if promised_recall(of_ten) >= min_recall:
                break
        shares = {str(k): of_ten if k == 10 else self._shares(searcher, k) for k in RECALL_AT}
        times = query_milliseconds(searcher, self.own[:TIMED_QUERIES])
        approximate.add(self.held_out["id"], self.own)
        measured = replace(
            certificate,
            recall={k: promised_recall(found) for k, found in shares.items()},
            recall_by_query={
                kind: {k: float(found[kind].mean()) for k, found in shares.items()}
                for kind in self.kinds
            },
            latency_p50_ms=float(np.median(times)),
            latency_p99_ms=float(np.percentile(times, 99)),
            memory_bytes=approximate.size(),
            build_seconds=time.perf_counter() - start,
        )
        return measured, approximate

    def _shares(self, searcher: Searcher, k: int) -> dict[str, Shares]:
        """Return, for each kind of query, the share of the k nearest that each query finds."""
        found = found_shares(searcher.nearest(self.queries, k)[0], self.truth, k)
        ends = np.cumsum([len(queries) for queries in self.kinds.values()])
        return dict(zip(self.kinds, np.split(found, ends[:-1]), strict=True))

    def _order_and_truth(
        self, rest: npt.NDArray[np.void]
    ) -> tuple[npt.NDArray[np.void], Similarities]:
        """Return PLACE records (n,) in the order to store them in, and the similarities (m, k) that
        exact search finds among them for the queries."""
        best = np.full((len(self.queries), max(RECALL_AT)), -np.inf, np.float32)
        found = np.full(best.shape, -1, np.int64)
        by, coordinates = self.axes[ORDERING_AXES], []
        for ids, rows in self._read(rest, "measuring exact search"):
            coordinates.append(rows @ by.T)
            best, found = merge(best, found, *nearest(self.queries, [(ids, rows)], best.shape[1]))
        return rest[locality_order(np.concatenate(coordinates))], best

    def _fill(self, approximate: FaissIndex) -> None:
        """Add all but the held-out vectors."""
        for ids, rows in self._read(self.rest, "preparing search"):
            approximate.add(ids, rows)

    def _read(self, places: npt.NDArray[np.void], stage: str) -> Iterator[Block]:
        for start in range(0, len(places), ADD_ROWS):
            part = places[start : start + ADD_ROWS]
            yield part["id"], self.index.rows_at(part)
            if self.progress:
                self.progress(start + len(part), len(places), stage=stage)
