"""Search an index for the nearest vectors: exactly, or with its certified approximate index.

The approximate index proposes candidates; their stored vectors are compared exactly. Vectors that
were added after it was built are searched exactly, and removed vectors are left out. Both happen
before the cut to k.
"""

import warnings
from collections import deque
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Vectors
from embedtool.errors import DerivedDamaged
from embedtool.search.centre import Centre, centre_digest, directions, read_centre
from embedtool.search.exact import (
    Block,
    Ids,
    Similarities,
    merge,
    nearest,
    similarities_at,
    single_core_pool,
    within,
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
    """A searcher of one index, to be used inside one `snapshot` of it.

    centre: what similarity is measured from."""

    centre: Centre

    def nearest(self, queries: Vectors, k: int) -> tuple[Similarities, Ids]:
        """Return the k vectors most similar to each unit query (m, d), as `exact.nearest` does."""

    def within(self, queries: Vectors, min_similarity: float) -> list[tuple[Similarities, Ids]]:
        """Return all vectors that are at least this similar to each unit query (m, d): exactly, as
        `exact.within` does."""

    def certificate_for(self, k: int) -> Certificate | None:
        """Return the certificate for the k nearest, or None if they are found exactly."""


def open_searcher(index: IndexReader, centre: Centre | None = None) -> Searcher:
    """Return the fastest searcher of an index. Warns if it has a damaged approximate index.

    centre: what similarity is measured from; default: the centre of the index. With another one,
    the approximate index proposes candidates all the same, but its certificate is not for them."""
    opened = None if compares_all(index) else open_faiss_index(index)
    if opened:
        return ApproximateSearcher(index, *opened, centre=centre)
    return ExactSearcher(index, read_centre(index) if centre is None else centre)


def compares_all(index: IndexReader) -> bool:
    """Return whether the index is so small that every vector is compared."""
    return index.counts()["vectors"] <= EXACT_ROWS


def open_faiss_index(
    index: IndexReader, *, in_memory: bool = False
) -> tuple[FaissIndex, Certificate] | None:
    """Return the published approximate index, or None if there is none for the centre of the index.

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
    certificate, centre = Certificate.of(opened[0]), read_centre(index)
    if certificate.centre != centre_digest(centre):
        return None
    found = FaissIndex.open(opened[1], certificate.method, centre, in_memory=in_memory)
    if (found.count, found.dim) != (certificate.vectors, index.dim):
        raise DerivedDamaged(f"{opened[1]} is an index of other vectors")
    return found, certificate


class ExactSearcher:
    def __init__(
        self,
        index: IndexReader,
        centre: Centre,
        *,
        among: npt.NDArray[np.void] | None = None,
        in_memory: Block | None = None,
    ) -> None:
        """among: PLACE records of the vectors to search; default: all. in_memory: their ids (n,)
        and directions (n, d) from the centre, or None to read them."""
        self.index = index
        self.centre = centre
        self._among = among
        self._in_memory = in_memory

    def nearest(self, queries: Vectors, k: int) -> tuple[Similarities, Ids]:
        queries = directions(queries, self.centre)
        if self._in_memory is not None:
            return nearest(queries, [self._in_memory], k)
        return nearest(queries, self._blocks(), k, centre=self.centre)

    def within(self, queries: Vectors, min_similarity: float) -> list[tuple[Similarities, Ids]]:
        queries = directions(queries, self.centre)
        return within(queries, self._blocks(), min_similarity, centre=self.centre)

    def _blocks(self) -> Iterator[Block]:
        return self.index.blocks() if self._among is None else self.index.blocks_at(self._among)

    def certificate_for(self, k: int) -> Certificate | None:
        return None


class ApproximateSearcher(ExactSearcher):
    """A searcher that is approximate up to the largest k of its certificate, and exact above."""

    def __init__(
        self,
        index: IndexReader,
        approximate: FaissIndex,
        certificate: Certificate,
        *,
        centre: Centre | None = None,
        later_in_memory: Block | None = None,
    ) -> None:
        """centre: default: that of the approximate index. later_in_memory: the vectors that were
        added after it was built, as in ExactSearcher."""
        super().__init__(index, approximate.centre if centre is None else centre)
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
            later = ExactSearcher(
                self.index, self.centre, among=self._later, in_memory=self._later_in_memory
            )
            best, found = merge(*later.nearest(queries, k), best, found)
        if short.size:  # most neighbours were removed: the graph does not lead to those that remain
            best[short], found[short] = super().nearest(queries[short], k)
        return best, found

    def _compare_candidates(
        self, queries: Vectors, k: int, fetched: int
    ) -> tuple[Similarities, Ids, npt.NDArray[np.int64]]:
        """Return the k best candidates of each query, and how many candidates still exist."""
        proposed = self._approximate.propose(
            directions(queries, self._approximate.centre), fetched, self._certificate.breadth
        )
        queries = directions(queries, self.centre)
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
                queries[part], to_float32(self.index.stored_at(places[needed])), rows, self.centre
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
