"""Types that several packages use.

Shape letters, used in every docstring: n images or rows, m queries, s pixels along one side,
d vector dimensions, k requested neighbours, c classes.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol, get_origin

import numpy as np
import numpy.typing as npt

from embedtool.errors import EmbedtoolError

PathLike = str | os.PathLike[str]
Pixels = npt.NDArray[np.uint8]  # (s, s, 3), or (n, s, s, 3) where a docstring says so
Vectors = npt.NDArray[np.float32]  # (n, d), C-contiguous, each row of length 1
IMPORTED = "imported"  # the architecture of vectors made by another program


def unit_rows(raw: npt.NDArray[np.floating], *, first: int = 0) -> Vectors:
    """Return (n, d) rows scaled to length 1, float32 and C-contiguous, as `normalise` does."""
    with np.errstate(over="ignore", invalid="ignore"):  # `normalise` raises for such rows
        rows = np.array(raw, dtype=np.float32, order="C")
    return normalise(rows, first=first)


def normalise(rows: Vectors, *, first: int = 0) -> Vectors:
    """Scale rows (n, d) to length 1 in place, and return them. All vectors are normalised here.

    Raises EmbedtoolError if a row is zero or not finite, because it has no direction. first: the
    number of the first row in that message.
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
    """A function that is called as work progresses, on the caller's thread.

    If it raises an exception, the work stops and the exception reaches the caller. What is already
    stored stays, and the same call continues from there.
    """

    def __call__(self, done: int, total: int, /, *, stage: str, rejected: int = 0) -> None: ...


def check_types(record: Any) -> None:
    """Raise TypeError if a field of a dataclass that was read from a file has a wrong type."""
    for field in fields(record):
        value, wanted = getattr(record, field.name), get_origin(field.type) or field.type
        accepted = int | float if wanted is float else wanted
        if isinstance(value, bool) or not isinstance(value, accepted):  # type: ignore[arg-type]
            raise TypeError(f"{field.name} is of type {type(value).__name__}")


@dataclass(frozen=True)
class Recipe:
    """All properties that determine the values of a vector. Its digest is the fingerprint.

    Raises TypeError for a value of a wrong type."""

    weights: str  # SHA-256 over names, shapes and float32 values
    architecture: str
    layer: str
    pooling: str
    size: int
    low: float  # the network sees pixels scaled to [low, high]
    high: float
    decode: str
    precision: str

    def __post_init__(self) -> None:
        check_types(self)

    @property
    def precision_name(self) -> str:
        """The precision, "float32" or "int8", without the calibration set that follows int8."""
        return self.precision.partition(" ")[0]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical JSON of all fields, 64 hexadecimal digits."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def recipe_of(record: Any) -> Recipe:
    """Return the recipe in parsed JSON. Raises ValueError if it is none."""
    try:
        return Recipe(**record)
    except TypeError as error:
        raise ValueError(f"not a recipe: {error}") from error


@dataclass(frozen=True)
class Source:
    """A listed file: its path, size and modification time."""

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
    """Return one name, or several, as a list."""
    return [names] if isinstance(names, str | os.PathLike) else list(names)


def imported_recipe(origin: str) -> Recipe:
    """Return the recipe of vectors made by another program.

    origin: the name of their model, or a digest of their content. It replaces the weights, so that
    vectors of two origins have two fingerprints."""
    weights = hashlib.sha256(f"{IMPORTED}:{origin}".encode()).hexdigest()
    unknown = "unknown"
    return Recipe(weights, IMPORTED, unknown, unknown, 1, 0, 1, unknown, "float32")
