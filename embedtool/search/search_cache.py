"""Data that successive searches of one index load only once."""

import numpy as np
import numpy.typing as npt

from embedtool.search.centre import Centre, directions
from embedtool.search.exact import Block
from embedtool.search.faiss_index import FaissIndex
from embedtool.search.recall_certificate import Certificate
from embedtool.search.searcher import (
    ApproximateSearcher,
    ExactSearcher,
    Searcher,
    compares_all,
    open_faiss_index,
)
from embedtool.store.reader import IndexReader

Places = npt.NDArray[np.void]  # PLACE records, see embedtool.store.reader


class SearchCache:
    """The approximate index and the vectors that every search compares, as directions from the
    centre, float32.

    Up to EXACT_ROWS these are all vectors (154 MB at d = 1,280), above it only those that are not
    in the approximate index. Only one thread at a time may use the cache. The searchers that it
    returns may run at the same time, each in its own thread."""

    def __init__(self) -> None:
        self._published: object = None  # what `_approximate` was read from
        self._approximate: tuple[FaissIndex, Certificate] | None = None
        self._block: tuple[Places, Centre, Block] | None = None

    def searcher(self, index: IndexReader, centre: Centre, published: object) -> Searcher:
        """Return a searcher for the version of the index in the snapshot of `index`.

        centre: that of the index. published: a value that is equal as long as the centre and the
        published search index are the same.
        """
        if compares_all(index):
            self._approximate = self._published = None
            places = index.places_after(0)
            return ExactSearcher(index, centre, in_memory=self._in_memory(index, places, centre))
        if published != self._published:
            self._approximate = open_faiss_index(index)
            self._published = published
        if self._approximate is None:
            self._block = None
            return ExactSearcher(index, centre)
        approximate, certificate = self._approximate
        later = index.places_after(certificate.last_id)
        block = self._in_memory(index, later, approximate.centre)
        return ApproximateSearcher(index, approximate, certificate, later_in_memory=block)

    def _in_memory(self, index: IndexReader, places: Places, centre: Centre) -> Block:
        """Return the ids (n,) and the directions (n, d) of vectors."""
        if self._block is None or not (
            np.array_equal(self._block[0], places) and np.array_equal(self._block[1], centre)
        ):
            self._block = None  # freed before the next is read, to need memory for one only
            towards, start = np.empty((len(places), index.dim), np.float32), 0
            index.expect_reads(places)
            for ids, rows in index.blocks_at(places):
                towards[start : start + len(ids)] = directions(rows, centre)
                start += len(ids)
            self._block = places, centre, (places["id"].copy(), towards)
        return self._block[2]
