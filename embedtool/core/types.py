"""Types that several packages use.

Shape letters, used in every docstring: n images or rows, m queries, s pixels along one side,
d vector dimensions, k neighbours wanted, c classes.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from embedtool.errors import EmbedtoolError

PathLike = str | os.PathLike[str]
Pixels = npt.NDArray[np.uint8]  # (s, s, 3), or (n, s, s, 3) where a docstring says so
Vectors = npt.NDArray[np.float32]  # (n, d), C-contiguous, each row of length 1
IMPORTED = "imported"  # the architecture of vectors that another program made


def unit_rows(raw: npt.NDArray[np.floating], *, first: int = 0) -> Vectors:
    """Return (n, d) rows scaled to length 1, float32 and C-contiguous, as `normalise` does."""
    with np.errstate(over="ignore", invalid="ignore"):  # not finite in float32: raised below
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
    """Called as work goes on, from the thread that asked for it.

    What it raises ends the work and comes out of the function that was called. What is stored
    stays, and the same call goes on from there.
    """

    def __call__(self, done: int, total: int, /, *, stage: str, rejected: int = 0) -> None: ...


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


def as_list(names: PathLike | Sequence[PathLike]) -> list[PathLike]:
    """One name, or several, as a list."""
    return [names] if isinstance(names, str | os.PathLike) else list(names)


def imported_recipe(origin: str) -> Recipe:
    """The recipe of vectors made elsewhere: origin, their model's name or their content, stands
    for the weights, so that vectors of two origins have two fingerprints."""
    weights = hashlib.sha256(f"{IMPORTED}:{origin}".encode()).hexdigest()
    unknown = "unknown"
    return Recipe(weights, IMPORTED, unknown, unknown, 1, 0, 1, unknown, "float32")
