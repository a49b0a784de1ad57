"""`bench search`: compare exact and approximate search on the vectors of a real collection."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedtool.core.types import PathLike, Progress, Source, Vectors, normalise
from embedtool.errors import UsageError
from embedtool.search.build_approximate import build_search_index
from embedtool.search.centre import read_centre
from embedtool.search.exact import Similarities
from embedtool.search.measure_recall import found_shares, query_milliseconds
from embedtool.search.recall_certificate import MIN_RECALL, RECALL_AT
from embedtool.search.results import SearchBenchReport, SearchBenchRow
from embedtool.search.searcher import ExactSearcher, open_searcher
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer, create

QUERIES = 1000  # held out of the index, to measure recall and speed
TIMED_QUERIES = 200
TIMED_EXACT_QUERIES = 10
COMMIT_ROWS = 65_536
NEIGHBOURS = 8  # a synthetic vector lies between a real one and one of its 8 nearest neighbours
NOISE = 0.15  # added to a synthetic vector, as a share of its length


def run_search_bench(
    index: PathLike,
    *,
    vectors: int | None = None,
    min_recall: float = MIN_RECALL,
    seed: int = 0,
    unrelated: Callable[[str, int], Vectors | None] = lambda fingerprint, dim: None,
    progress: Progress | None = None,
) -> SearchBenchReport:
    """Measure exact and approximate search over the vectors of an index, on this machine.

    1,000 of its vectors are held out as queries. vectors: the number of vectors to search among; if
    the index has fewer, more are interpolated between neighbours. unrelated: returns vectors (m, d)
    of unrelated pictures under a network, if it can. Each method runs in its own process.
    Raises UsageError if the index is too small.
    """
    with tempfile.TemporaryDirectory(prefix="embedtool-bench-") as scratch:
        place = Path(scratch)
        with IndexReader(index) as source, source.snapshot():
            queries, real = hold_out(source, seed)
            wanted = vectors or len(real)
            np.save(place / "queries.npy", queries)
            write_vectors(source, place / "index", real, wanted, seed, progress)
        with Writer(place / "index") as writer:
            start = time.perf_counter()
            certificate = build_search_index(
                writer,
                unrelated=unrelated(writer.fingerprint, writer.dim),
                min_recall=min_recall,
                seed=seed,
                progress=progress,
            )
            build_seconds = time.perf_counter() - start
            dim = writer.dim
        exact, truth = _measure(place, "exact")
        approximate, found = _measure(place, "approximate")
        return SearchBenchReport(
            vectors=wanted,
            synthetic=max(wanted - len(real), 0),
            dim=dim,
            build_seconds=build_seconds,
            certificate=certificate,
            rows=(
                _row("exact", exact, exact, truth, truth),
                _row(certificate.method, approximate, exact, found, truth),
            ),
        )


def hold_out(source: IndexReader, seed: int) -> tuple[Vectors, npt.NDArray[np.void]]:
    """Hold out QUERIES vectors. Return them (m, d) and the PLACE records of the others."""
    places = source.places_after(0)
    if len(places) < 2 * QUERIES:
        raise UsageError(
            f"expected an index with at least {2 * QUERIES:,} vectors, but {source.path} has "
            f"{len(places):,}. Index more photos"
        )
    queries = np.random.default_rng(seed).choice(len(places), QUERIES, replace=False)
    return source.rows_at(places[queries]), np.delete(places, queries)


def write_vectors(
    source: IndexReader,
    target: Path,
    real: npt.NDArray[np.void],
    wanted: int,
    seed: int,
    progress: Progress | None,
) -> None:
    """Write an index of `wanted` vectors: the real ones, then synthetic ones.

    Their images are empty files 0, 1, ... in a folder `photos` beside it, which is not created.
    """
    with create(
        target,
        model=source.model,
        recipe=source.recipe,
        dim=source.dim,
        golden=np.zeros((0, source.dim), np.float32),
        created_by="bench",
    ) as writer:
        for start in range(0, min(len(real), wanted), COMMIT_ROWS):
            places = real[start : min(start + COMMIT_ROWS, wanted)]
            _commit(writer, start, source.rows_at(places))
        if wanted <= len(real):
            return
        near = _neighbours(source, real)
        random = np.random.default_rng(seed)
        for start in range(len(real), wanted, COMMIT_ROWS):
            count = min(COMMIT_ROWS, wanted - start)
            _commit(writer, start, _interpolate(source, real, near, count, random))
            if progress:
                progress(
                    start + count - len(real), wanted - len(real), stage="interpolating vectors"
                )


def _commit(writer: Writer, first: int, rows: Vectors) -> None:
    digests = [b"%032d" % (first + n) for n in range(len(rows))]
    root = os.path.abspath(os.fsencode(writer.path.parent / "photos"))
    files = [Source(root, b"%d" % (first + n), 0, 0) for n in range(len(rows))]
    writer.commit(
        vectors=list(zip(digests, rows, strict=True)),
        images=list(zip(files, digests, strict=True)),
        renames=[],
        rejects=[],
    )


def _neighbours(source: IndexReader, real: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Return the PLACE records (n, 8) of the nearest neighbours of each vector."""
    searcher = open_searcher(source)
    near = [searcher.nearest(rows, NEIGHBOURS + 1)[1][:, 1:] for _, rows in source.blocks_at(real)]
    by_id = source.places_after(0)
    return by_id[np.searchsorted(by_id["id"], np.concatenate(near))]


def _interpolate(
    source: IndexReader,
    real: npt.NDArray[np.void],
    near: npt.NDArray[np.void],
    count: int,
    random: np.random.Generator,
) -> Vectors:
    """Return rows between a vector and one of its neighbours, with a little noise."""
    of = random.integers(len(real), size=count)
    share = random.uniform(0.2, 0.8, (count, 1)).astype(np.float32)
    rows = source.rows_at(real[of]) * (1 - share)
    rows += source.rows_at(near[of, random.integers(NEIGHBOURS, size=count)]) * share
    scale = NOISE / np.sqrt(source.dim)
    rows += random.normal(0, scale, rows.shape).astype(np.float32)
    return normalise(rows)


def _measure(place: Path, kind: str) -> tuple[dict[str, float], dict[int, Similarities]]:
    """Measure a method. Return its figures and, for each k, the similarities (m, k) found."""
    child = subprocess.run(
        [sys.executable, "-P", "-m", "embedtool.search.benchmark", str(place), kind],
        stdout=subprocess.PIPE,
        check=True,
    )
    figures: dict[str, float] = json.loads(child.stdout)
    return figures, {k: np.load(place / f"{kind}-{k}.npy") for k in RECALL_AT}


def _child(place: Path, kind: str) -> None:
    queries = np.load(place / "queries.npy")
    with IndexReader(place / "index") as index, index.snapshot():
        before = _resident()
        exact = kind == "exact"
        searcher = ExactSearcher(index, read_centre(index)) if exact else open_searcher(index)
        for k in RECALL_AT:  # this also reads and checks all vectors
            np.save(place / f"{kind}-{k}.npy", searcher.nearest(queries, k)[0])
        start = time.perf_counter()
        searcher.nearest(queries, 10)
        batch = (time.perf_counter() - start) * 1000 / len(queries)
        times = query_milliseconds(
            searcher, queries[: TIMED_EXACT_QUERIES if exact else TIMED_QUERIES]
        )
        after = _resident()
    print(
        json.dumps(
            {
                "p50": float(np.median(times)),
                "p99": float(np.percentile(times, 99)),
                "batch": batch,
                "resident": after and before and after - before,
            }
        )
    )


def _resident() -> float | None:
    """Return the bytes of this process in memory, without mapped files, or None if unknown."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    [line] = [line for line in status.splitlines() if line.startswith("RssAnon:")]
    return float(line.split()[1]) * 1024


def _row(
    name: str,
    own: dict[str, float],
    exact: dict[str, float],
    found: dict[int, Similarities],
    truth: dict[int, Similarities],
) -> SearchBenchRow:
    return SearchBenchRow(
        method=name,
        p50_ms=own["p50"],
        p99_ms=own["p99"],
        batch_ms=own["batch"],
        speedup_p50=exact["p50"] / own["p50"],
        speedup_batch=exact["batch"] / own["batch"],
        recall={str(k): float(found_shares(found[k], truth[k], k).mean()) for k in RECALL_AT},
        resident_mb=own["resident"] and own["resident"] / 1e6,
    )


if __name__ == "__main__":
    _child(Path(sys.argv[1]), sys.argv[2])
