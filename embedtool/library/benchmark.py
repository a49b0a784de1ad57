"""Measure the overhead of a search through an open index: `bench search --api`."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embedtool.core.types import PathLike, Progress, Vectors
from embedtool.images.decode import decode_image
from embedtool.images.drawn import draw_queries
from embedtool.images.read_file import read_source, source_of
from embedtool.library.index import Index
from embedtool.models.unrelated_vectors import unrelated_vectors
from embedtool.search.benchmark import hold_out, write_vectors
from embedtool.search.refresh import refresh_search_index
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

ROUNDS = 300  # repetitions; each round runs every measurement once
K = 10


@dataclass(frozen=True)
class ApiBenchReport:
    """Medians of one query at a time, in milliseconds.

    The target of `indexed_path_ms` is at most 0.3 ms + 1.5 times `search_ms`. The target of
    `new_photo_ms` is at most 1 ms + `embed_ms` + the target of `indexed_path_ms`.
    """

    vectors: int
    dim: int
    method: str  # "exact", or the name that faiss gives to the approximate index
    search_ms: float  # search by a vector, among arrays in memory
    indexed_path_ms: float
    embed_ms: float  # reading, decoding and inference of one photo
    new_photo_ms: float


def run_api_bench(
    index: PathLike,
    *,
    vectors: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ApiBenchReport:
    """Measure searches through an open index of the vectors of `index`, on this machine.

    vectors: the number of vectors to search among; if the index has fewer, more are interpolated.
    The new photos are drawn pictures. Raises UsageError if the index is too small,
    ModelUnavailable if its vectors were made by another program.
    """
    with tempfile.TemporaryDirectory(prefix="embedtool-bench-") as scratch:
        place = Path(scratch)
        with IndexReader(index) as source, source.snapshot():
            queries, real = hold_out(source, seed)
            write_vectors(source, place / "index", real, vectors or len(real), seed, progress)
        with Writer(place / "index") as writer:
            refresh_search_index(writer, unrelated=unrelated_vectors, progress=progress)
        (place / "photos").mkdir()
        stored = [place / "photos" / str(number) for number in range(ROUNDS)]
        for path in stored:  # as the index has them
            path.touch()
            os.utime(path, ns=(0, 0))
        with Index(place / "index") as opened:
            return _measure(opened, queries, stored, draw_queries(place / "new"), progress)


def _measure(
    index: Index,
    queries: Vectors,
    stored: list[Path],
    photos: list[Path],
    progress: Progress | None,
) -> ApiBenchReport:
    found = index.search(stored[0], k=K)
    index.search(photos[0], k=K)
    times: dict[str, list[float]] = {name: [] for name in ("core", "path", "embed", "photo")}
    order = np.random.default_rng(0)
    with index.connection.session() as session:
        embedder = session.embedder()
        for turn in range(ROUNDS):
            photo = photos[turn % len(photos)]
            for name in order.permutation(list(times)):  # a random order: each changes the caches
                if name == "core":
                    with session.snapshot(), _timed(times["core"]):
                        session.searcher.nearest(queries[turn : turn + 1], K)
                elif name == "path":
                    with _timed(times["path"]):
                        index.search(stored[turn], k=K)
                elif name == "embed":
                    with _timed(times["embed"]):
                        _, data = read_source(source_of(photo))
                        embedder.embed(decode_image(data, embedder.size)[None])
                else:
                    with _timed(times["photo"]):
                        index.search(photo, k=K)
            if progress:
                progress(turn + 1, ROUNDS, stage="searching")
        medians = {name: float(np.median(values)) for name, values in times.items()}
        return ApiBenchReport(
            vectors=session.reader.counts()["vectors"],
            dim=session.reader.dim,
            method=found.certificate.method if found.certificate else "exact",
            search_ms=medians["core"],
            indexed_path_ms=medians["path"],
            embed_ms=medians["embed"],
            new_photo_ms=medians["photo"],
        )


@contextmanager
def _timed(times: list[float]) -> Iterator[None]:
    start = time.perf_counter()
    yield
    times.append((time.perf_counter() - start) * 1000)
