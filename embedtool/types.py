"""What travels between the rooms.

Shape letters, used in every docstring: n images or rows, m queries, s pixels along one side,
d vector dimensions, k neighbours asked for, c classes.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from embedtool.errors import EmbedtoolError

PathLike = str | os.PathLike[str]
Pixels = npt.NDArray[np.uint8]  # (s, s, 3), or (n, s, s, 3) where a docstring says so
Vectors = npt.NDArray[np.float32]  # (n, d), C-contiguous, each row of length 1


def unit_rows(raw: npt.NDArray[np.floating], *, first: int = 0) -> Vectors:
    """Return (n, d) rows scaled to length 1, float32 and C-contiguous, as `normalise` does."""
    with np.errstate(over="ignore", invalid="ignore"):  # not finite in float32: told below
        rows = np.array(raw, dtype=np.float32, order="C")
    return normalise(rows, first=first)


def normalise(rows: Vectors, *, first: int = 0) -> Vectors:
    """Scale (n, d) rows to length 1 where they lie, and return them: the one normaliser.

    Raises EmbedtoolError where a row is zero or not finite: it has no direction. first: the number
    the first row has in that message.
    """
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if bad.size:
        raise EmbedtoolError(
            f"expected finite, non-zero vectors; row {first + bad[0]} has length {lengths[bad[0]]}"
        )
    rows /= lengths[:, None]
    return rows


class Progress(Protocol):
    """Called as work goes on, from the thread that asked for it."""

    def __call__(self, done: int, total: int, rejected: int = 0, stage: str = ..., /) -> None: ...


@dataclass(frozen=True)
class Recipe:
    """All that decides a vector's value, and nothing else; its digest is the fingerprint."""

    weights: str  # SHA-256 over names, shapes and float32 values
    architecture: str
    layer: str
    pooling: str
    size: int
    low: float  # the network sees pixels scaled to [low, high]
    high: float
    decode: str
    precision: str

    @property
    def precision_name(self) -> str:
        """ "float32" or "int8", without the calibration set that int8 names beside it."""
        return self.precision.split()[0]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical JSON of all fields, 64 hexadecimal digits."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Source:
    """One file as it was listed: where it stands and what the folder said of it."""

    root: bytes  # absolute path of the folder it was found under
    path: bytes  # relative to root, POSIX separators, bytes as the file system has them
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Reject:
    """A file that could not be used, and why."""

    path: Path
    stage: str  # "read", "decode" or "embed"
    reason: str


@dataclass(frozen=True)
class IndexReport:
    """What one run of `index` did. Every file listed is in exactly one of added, updated,
    renamed, unchanged, duplicates and rejected; `total` is their sum. `removed` rows had no file
    any more."""

    index: Path
    model: str
    added: int
    updated: int
    renamed: int
    removed: int
    unchanged: int
    duplicates: int
    rejected: int
    total: int
    seconds: float
    images_per_second: float
    notes: tuple[str, ...] = ()


RECALL_AT = (1, 10, 100)
EXACT_ROWS = 30_000  # up to here every vector is compared
MIN_RECALL = 0.99  # of the 10 nearest, what approximate search must find unless told otherwise


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
    candidates: int  # compared exactly, for each match asked for
    vectors: int
    last_id: int  # of the vectors in it; later ones are searched exactly beside it
    recall: dict[str, float]  # keys "1", "10", "100"
    queries: int
    latency_p50_ms: float
    latency_p99_ms: float
    exact_p50_ms: float
    memory_bytes: int  # of the file: memory-mapped, all that it can take
    build_seconds: float
    min_recall: float  # what was asked for
    max_memory: int | None
    seed: int

    def holds(self, min_recall: float, max_memory: int | None) -> bool:
        """Whether its recall among the 10 nearest and its memory in bytes are what is asked."""
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
class DuplicateGroup:
    """Images that show one picture ("identical" bytes, "near-identical") or much the same thing
    ("similar"), and which of them to keep."""

    kind: str
    keep: Path
    reason: str  # why this one
    paths: tuple[Path, ...]  # the kept one first, then by descending similarity to it
    similarities: tuple[float, ...]  # of each to the kept one, cosine
    spare: tuple[Path, ...]  # those that a move takes away: never the kept one, none of "similar"
    verified: bool  # False where pixels could not be compared, since a file is gone

    @property
    def similarity(self) -> float:
        """The least similarity of a member to the kept one."""
        return min(self.similarities)


@dataclass(frozen=True)
class Duplicates:
    """What `find_duplicates` found: groups by kind, and in a kind by descending similarity."""

    index: Path
    roots: tuple[Path, ...]
    images: int
    groups: tuple[DuplicateGroup, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Member:
    """One image and its cluster."""

    path: Path
    cluster: int  # -1 where it is noise
    nearest: int  # the same, or of noise the cluster it lies nearest to; -1 where there is none
    strength: float  # of its membership in `nearest`, 0 to 1


@dataclass(frozen=True)
class Cluster:
    """Images that lie close together, and some to know it by, noise not among them."""

    id: int  # from 0, the largest first
    name: str
    size: int  # images
    stability: float  # HDBSCAN's: how long it holds together as the density rises
    representatives: tuple[Path, ...]  # nearest to its centre, the medoid first
    borderline: tuple[Path, ...]  # least nearer to its centre than to another
    outliers: tuple[Path, ...]  # least similar to its centre


@dataclass(frozen=True)
class ClusterReport:
    """What `cluster_index` found. min_cluster_size is what its criterion, and detail, came to;
    embedtool.density says what that is."""

    index: Path
    clusters: tuple[Cluster, ...]
    members: tuple[Member, ...]  # one for each image, first indexed first
    noise: int  # images
    min_cluster_size: int
    modularity: float
    seed: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outlier:
    """An image unlike the rest."""

    rank: int  # from 1
    path: Path
    score: float  # 1 - its mean similarity to its nearest others, see find_outliers
    nearest: Path  # the most similar other
    similarity: float  # to that


@dataclass(frozen=True)
class Mistake:
    """An image that was given another class than its own, and how sure of that the network was."""

    path: Path
    truth: str
    predicted: str
    probability: float


def several(names: PathLike | Sequence[PathLike]) -> list[PathLike]:
    """One name, or several, as a list."""
    return [names] if isinstance(names, str | os.PathLike) else list(names)


@dataclass(frozen=True)
class TuneTrial:
    """One trial of a search. accuracy: on the validation photos, after its last epoch; one that
    fell behind was cut short before."""

    number: int
    finished: bool
    accuracy: float
    epochs: int
    seconds: float
    chosen: dict[str, Any]  # what the search chose, by name


@dataclass(frozen=True)
class TuneReport:
    """What a search has found so far. importance: by choice, how much of what sets the better half
    of the trials apart it explains, shares of 1; empty where there are too few trials."""

    study: Path
    config: Path  # the best settings, as `finetune --config` takes them
    model: str
    trained_on: int
    validated_on: int
    trials: tuple[TuneTrial, ...]  # in the order they were begun
    best: int  # its number
    importance: dict[str, float]
    seed: int
    seconds: float
    rejects: tuple[Reject, ...] = ()
    notes: tuple[str, ...] = ()
