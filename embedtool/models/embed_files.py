"""Embed files as unit rows, on all cores.

Each worker thread reads, hashes, decodes and embeds its own images: LiteRT and Pillow release the
interpreter lock, so threads suffice. The order is preserved, the look-ahead is bounded, and a bad
image never affects the row of another.
"""

import hashlib
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedtool.core.threads import cpu_count
from embedtool.core.types import Pixels, Source
from embedtool.errors import EmbedtoolError, ImageRejected, UsageError
from embedtool.images.quarantine import Quarantine
from embedtool.images.read_file import read_source
from embedtool.models.embedder import Embedder

TASK_IMAGES = 8  # images per task: less overhead than with one, and results still come early
LOOK_AHEAD = 3  # tasks in flight for each worker


@dataclass(frozen=True)
class Outcome:
    """The result for one file. `vector` (d,) is None for a reject and for known content."""

    source: Source  # size and time as they were when the file was read
    digest: bytes  # SHA-256 of its bytes; b"" if it could not be read
    vector: npt.NDArray[np.float32] | None
    reject: ImageRejected | None


_Result = npt.NDArray[np.float32] | ImageRejected
_Claim = Future[_Result]  # for one content: set by the thread that embeds it, for all copies


@dataclass(frozen=True)
class _Read:
    source: Source
    digest: bytes = b""
    result: _Claim | None = None
    reject: ImageRejected | None = None


def embed_files(
    sources: Iterable[Source],
    embedder: Embedder,
    *,
    known: set[bytes],
    workers: int | None = None,
    batch_size: int | None = None,
    record: Path | None = None,
) -> Iterator[Outcome]:
    """Yield one Outcome for each source, in order.

    known: digests that need no vector. The digests of yielded vectors are added to it, so that
    identical files are embedded once. Memory depends on workers, not on the number of sources.
    record: the file of an index that names what is being decoded, for the run after a crash.
    """
    workers = cpu_count() if workers is None else workers
    batch_size = embedder.batch_size if batch_size is None else batch_size
    if workers < 1 or batch_size < 1:
        raise UsageError(
            f"expected workers and batch size of at least 1, received {workers} and {batch_size}"
        )
    tasks = _chunks(sources, max(TASK_IMAGES, batch_size))
    window: deque[Future[list[_Read]]] = deque()
    with (
        Quarantine(record, workers=workers) as quarantine,
        ThreadPoolExecutor(workers, thread_name_prefix="embed") as pool,
    ):
        pipeline = _Pipeline(embedder, quarantine, known, batch_size)
        try:
            for task in tasks:
                window.append(pool.submit(pipeline.run, task))
                if len(window) >= LOOK_AHEAD * workers:
                    yield from map(pipeline.settle, window.popleft().result())
            while window:
                yield from map(pipeline.settle, window.popleft().result())
        finally:
            for waiting in window:
                waiting.cancel()


class _Pipeline:
    """The state that worker threads share: which contents are known or being embedded."""

    def __init__(
        self, embedder: Embedder, quarantine: Quarantine, known: set[bytes], batch_size: int
    ) -> None:
        self.embedder = embedder
        self.quarantine = quarantine
        self.known = known
        self.batch_size = batch_size
        self.lock = threading.Lock()
        self.claims: dict[bytes, _Claim] = {}

    def run(self, task: Sequence[Source]) -> list[_Read]:
        """Read all files, and decode and embed those that no other thread has. Runs in a worker."""
        reads = []
        claims: list[_Claim] = []
        batch: list[tuple[_Claim, Pixels]] = []
        try:
            for source in task:
                read, data = self._read(source)
                reads.append(read)
                if data is None or read.result is None:
                    continue
                claims.append(read.result)
                try:
                    pixels = self.quarantine.decode(read.digest, data, self.embedder.size)
                    batch.append((read.result, pixels))
                except ImageRejected as reject:
                    read.result.set_result(reject)
                if len(batch) == self.batch_size:
                    self._infer(batch)
                    batch = []
            if batch:
                self._infer(batch)
        except BaseException as error:  # not a bad image: pass it to all threads that wait
            for claim in claims:
                if not claim.done():
                    claim.set_exception(error)
            raise
        return reads

    def settle(self, read: _Read) -> Outcome:
        """Wait for the thread that embeds this content. Runs in the consumer, in order."""
        if read.result is None:
            return Outcome(read.source, read.digest, None, read.reject)
        result = read.result.result()
        with self.lock:
            self.claims.pop(read.digest, None)
            if isinstance(result, ImageRejected):
                return Outcome(read.source, read.digest, None, result)
            first = read.digest not in self.known
            self.known.add(read.digest)
        return Outcome(read.source, read.digest, result if first else None, None)

    def _read(self, source: Source) -> tuple[_Read, bytes | None]:
        """Return the state of a file, and its bytes if this thread has to embed it."""
        try:
            source, data = read_source(source)
        except ImageRejected as reject:
            return _Read(source, reject=reject), None
        digest = hashlib.sha256(data).digest()
        with self.lock:
            if digest in self.known:
                return _Read(source, digest), None
            if digest in self.claims:
                return _Read(source, digest, self.claims[digest]), None
            claim = self.claims[digest] = Future()
        return _Read(source, digest, claim), data

    def _infer(self, batch: Sequence[tuple[_Claim, Pixels]]) -> None:
        pixels = np.stack([image for _, image in batch])
        try:
            rows: list[_Result] = list(self.embedder.embed(pixels))
        except EmbedtoolError as error:
            if len(batch) > 1:  # one row without a direction must not reject the others
                for one in batch:
                    self._infer([one])
                return
            rows = [ImageRejected("embed", str(error))]
        for (claim, _), row in zip(batch, rows, strict=True):
            claim.set_result(row)


def _chunks(sources: Iterable[Source], length: int) -> Iterator[list[Source]]:
    left = iter(sources)
    while chunk := list(islice(left, length)):
        yield chunk
