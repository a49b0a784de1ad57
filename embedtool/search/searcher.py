"""Search an index for the nearest vectors: exactly, or with its certified approximate index.

The approximate index proposes candidates; their stored vectors are compared exactly. Vectors that
were added after it was built are searched exactly, and removed vectors are left out. Both happen
before the cut to k.
"""

import warnings
from collections import deque
from typing import Protocol

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Vectors
from embedtool.errors import DerivedDamaged
from embedtool.search.exact import (
    Block,
    Ids,
    Similarities,
    merge,
    nearest,
    similarities_at,
    single_core_pool,
)
from embedtool.search.faiss_index import FaissIndex
from embedtool.search.recall_certificate import RECALL_AT, Certificate
from embedtool.search.results import EXACT_ROWS
from embedtool.store.derived import SEARCH, open_derived
from embedtool.store.reader import IndexReader
from embedtool.store.segments import to_float32

CANDIDATES_AT_ONCE = 800  # compared at a time: their rows stay in a core's cache
MIN_MATCHES = 10  # fetch candidates for at least this many matches, or recall is too low
OVERFETCH = 1.3  # fetch this many times the wanted candidates if images were removed
TABLE_SHARE = 8  # once one row in this many was looked up, all places are read together


class Searcher(Protocol):
    """A searcher of one index, to be used inside one `snapshot` of it."""

    def nearest(self, queries: Vectors, k: int) -> tuple[Similarities, Ids]:
        """Return the k vectors most similar to each query (m, d), as `exact.nearest` does."""

    def certificate_for(self, k: int) -> Certificate | None:
        """Return the certificate for the k nearest, or None if they are found exactly."""


def open_searcher(index: IndexReader) -> Searcher:
    """Return the fastest searcher of an index. Warns if it has a damaged approximate index."""
    opened = None if compares_all(index) else open_faiss_index(index)
    return ApproximateSearcher(index, *opened) if opened else ExactSearcher(index)


def compares_all(index: IndexReader) -> bool:
    """Return whether the index is so small that every vector is compared."""
    return index.counts()["vectors"] <= EXACT_ROWS


def open_faiss_index(
    index: IndexReader, *, in_memory: bool = False
) -> tuple[FaissIndex, Certificate] | None:
    """Return the published approximate index, or None if there is none.

    If it is damaged, issues a warning and returns None. in_memory: read it into memory, so that
    vectors can be added to this copy."""
    try:
        return read_faiss_index(index, in_memory=in_memory)
    except DerivedDamaged as error:
        warnings.warn(
            f"{error}. Search is exact until you rebuild it: embedtool compact {index.path}",
            stacklevel=2,
        )
        return None


def read_faiss_index(
    index: IndexReader, *, in_memory: bool = False
) -> tuple[FaissIndex, Certificate] | None:
    """Return what `open_faiss_index` does. Raises DerivedDamaged if it is damaged."""
    opened = open_derived(index.path, SEARCH, index.fingerprint)
    if opened is None:
        return None
    certificate = Certificate.of(opened[0])
    found = FaissIndex.open(opened[1], certificate.method, in_memory=in_memory)
    if (found.count, found.dim) != (certificate.vectors, index.dim):
        raise DerivedDamaged(f"{opened[1]} is an index of other vectors")
    return found, certificate


class ExactSearcher:
    def __init__(self, index: IndexReader, in_memory: Block | None = None) -> None:
        """in_memory: the ids (n,) and unit rows (n, d) of the index, or None to read them."""
        self.index = index
        self._in_memory = in_memory

    def nearest(self, queries: Vectors, k: int) -> tuple[Similarities, Ids]:
        blocks = self.index.blocks() if self._in_memory is None else [self._in_memory]
        return nearest(queries, blocks, k)

    def certificate_for(self, k: int) -> Certificate | None:
        return None


class ApproximateSearcher(ExactSearcher):
    """A searcher that is approximate up to the largest k of its certificate, and exact above."""

    def __init__(
        self,
        index: IndexReader,
        approximate: FaissIndex,
        certificate: Certificate,
        later_in_memory: Block | None = None,
    ) -> None:
        """later_in_memory: the vectors that were added after the approximate index was built."""
        super().__init__(index)
        self._approximate = approximate
        self._certificate = certificate
        self._removed = certificate.vectors - index.count_until(certificate.last_id)
        self._later = index.places_after(certificate.last_id)
        self._later_in_memory = later_in_memory
        self._table: npt.NDArray[np.void] | None = None  # all places, once many were needed
        self._requested = 0

    def certificate_for(self, k: int) -> Certificate | None:
        return self._certificate if k <= max(RECALL_AT) else None

    def nearest(self, queries: Vectors, k: int) -> tuple[Similarities, Ids]:
        if k > max(RECALL_AT):
            return super().nearest(queries, k)
        certificate = self._certificate
        best = np.full((len(queries), k), -np.inf, np.float32)
        found = np.full((len(queries), k), -1, np.int64)
        wanted = min(certificate.candidates * max(k, MIN_MATCHES), self._approximate.count)
        short = np.arange(len(queries))
        for fetched in (int(wanted * OVERFETCH) if self._removed else wanted, 4 * wanted):
            best[short], found[short], left = self._compare_candidates(queries[short], k, fetched)
            short = short[left < wanted] if self._removed else short[:0]
            if not short.size:
                break
        if self._later.size:
            later = self._later_in_memory
            blocks = self.index.blocks_at(self._later) if later is None else [later]
            best, found = merge(*nearest(queries, blocks, k), best, found)
        if short.size:  # most neighbours were removed: the graph does not lead to those that remain
            best[short], found[short] = super().nearest(queries[short], k)
        return best, found

    def _compare_candidates(
        self, queries: Vectors, k: int, fetched: int
    ) -> tuple[Similarities, Ids, npt.NDArray[np.int64]]:
        """Return the k best candidates of each query, and how many candidates still exist."""
        proposed = self._approximate.propose(queries, fetched, self._certificate.breadth)
        best = np.full((len(queries), k), -np.inf, np.float32)
        found = np.full((len(queries), k), -1, np.int64)
        places = self._places(proposed)
        if not places.size:
            return best, found, np.zeros(len(queries), np.int64)
        where = np.searchsorted(places["id"], proposed).clip(max=len(places) - 1)
        here = places["id"][where] == proposed
        ids = np.where(here, proposed, -1)

        step = max(1, CANDIDATES_AT_ONCE // proposed.shape[1])

        def compare(start: int) -> None:
            part = slice(start, start + step)
            needed, rows = np.unique(where[part], return_inverse=True)
            near = similarities_at(
                queries[part], to_float32(self.index.stored_at(places[needed])), rows
            )
            near[~here[part]] = -np.inf
            best[part], found[part] = merge(best[part], found[part], near, ids[part])

        starts = range(0, len(queries), step)
        with single_core_pool() as pool:
            deque((pool.map if len(starts) > 1 else map)(compare, starts), maxlen=0)
        return best, found, here.sum(1)

    def _places(self, ids: Ids) -> npt.NDArray[np.void]:
        """Return the places of these vectors, and possibly of others, sorted by id.

        Removed vectors are left out."""
        if self._table is None:
            self._requested += ids.size
            if self._requested < self._approximate.count // TABLE_SHARE:
                return self.index.places(np.unique(ids))
            self._table = self.index.places_after(0)
        return self._table
