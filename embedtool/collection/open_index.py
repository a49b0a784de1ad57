"""An open index: everything is checked and loaded once for all later calls, in any thread.

Each call has its own connection and sees one version of the index. Connections share only data from
files that never change: vector files, the approximate index, the network. FAISS is imported only if
vectors are searched, and the network is loaded only if something is embedded.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from embedtool.core.types import PathLike
from embedtool.errors import UsageError
from embedtool.store.cluster_labels import CLUSTERS, NO_CLUSTERS, Clusters, read_clusters
from embedtool.store.derived import CENTRE, SEARCH, publication
from embedtool.store.reader import IndexReader

if TYPE_CHECKING:
    from embedtool.models.embedder import Embedder
    from embedtool.search.centre import Centre
    from embedtool.search.search_cache import SearchCache
    from embedtool.search.searcher import Searcher

Made = TypeVar("Made")


class OpenIndex:
    """The connections to one index. Raises NotAnIndex, IndexDamaged, IndexTooNew."""

    def __init__(self, path: PathLike, *, hold_vectors: bool = True) -> None:
        """hold_vectors: keep the searched vectors in memory for the next search."""
        self.path = Path(path)
        self._hold_vectors = hold_vectors
        self._lock = Lock()
        self._closed = False
        self._start()

    def _start(self) -> None:
        self._loaded = _Loaded(self.path, self._hold_vectors)
        self._idle = [Session(self._loaded.reader, self._loaded)]

    @contextmanager
    def session(self) -> Iterator["Session"]:
        """Yield a connection that no other thread uses meanwhile.

        It remains usable in this block even if the index is closed. Raises UsageError if the index
        was closed before."""
        with self._lock:
            if self._closed:
                raise UsageError(
                    f"the index {self.path} was closed. Open it again: "
                    f"embedtool.open({str(self.path)!r})"
                )
            if _identity(self.path) != self._loaded.file:  # deleted, and possibly created again
                self._close_idle()
                self._start()
            loaded = self._loaded
            session = self._idle.pop() if self._idle else None
        if session is None:
            reader = IndexReader(self.path, files=loaded.reader.files, check=False)
            session = Session(reader, loaded)
        try:
            yield session
        finally:
            with self._lock:
                if self._closed or loaded is not self._loaded:
                    session.reader.close()
                else:
                    self._idle.append(session)

    def close(self) -> None:
        """Release everything that is loaded. Calls that run in other threads can finish."""
        with self._lock:
            self._closed = True
            self._close_idle()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().reader.close()


class Session:
    """One connection, and the objects computed from the version of the index that it saw last."""

    def __init__(self, reader: IndexReader, loaded: "_Loaded") -> None:
        self.reader = reader
        self.embedder = loaded.embedder
        self._loaded = loaded
        self._version: tuple[object, ...] = ()
        self._made: dict[str, Any] = {}

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one version of the index in a `with` block."""
        path = self.reader.path
        with self.reader.snapshot():
            search = publication(path, SEARCH), publication(path, CENTRE)
            version = (self.reader.version(), search, publication(path, CLUSTERS))
            if version != self._version:
                self._version, self._made = version, {}
                self.reader.forget_old_segments()
            yield

    def once(self, name: str, make: Callable[[], Made]) -> Made:
        """Return the result of `make`, which is called once for each version of the index."""
        if name not in self._made:
            self._made[name] = make()
        made: Made = self._made[name]
        return made

    @property
    def searcher(self) -> "Searcher":
        """The searcher of this version. Use it inside a snapshot."""
        return self.once(
            "searcher",
            lambda: self._loaded.searcher(self.reader, self.centre, self._version[1]),
        )

    @property
    def centre(self) -> "Centre":
        """What similarity is measured from in this version. Use it inside a snapshot."""
        from embedtool.search.centre import read_centre

        return self.once("centre", lambda: read_centre(self.reader))

    @property
    def count(self) -> int:
        """The number of images of this version. Use it inside a snapshot."""
        return self.once("count", lambda: self.reader.counts()["images"])

    @property
    def clusters(self) -> Clusters:
        """The clusters of this version. Use them inside a snapshot."""
        return self.once("clusters", lambda: read_clusters(self.reader) or NO_CLUSTERS)


class _Loaded:
    """The data that the connections to one index share."""

    def __init__(self, path: Path, hold_vectors: bool) -> None:
        self.reader = IndexReader(path)
        self._hold_vectors = hold_vectors
        self.file = _identity(path)
        self._lock = Lock()
        self._search: SearchCache | None = None
        self._embedder: Embedder | None = None

    def embedder(self) -> "Embedder":
        """Return the network that made the vectors, loaded at the first call.

        Raises ModelMismatch, ModelOffline and ModelUnavailable."""
        with self._lock:
            if self._embedder is None:
                from embedtool.models.embedder import embedder_of

                self._embedder = embedder_of(self.reader.model, self.reader.recipe)
            return self._embedder

    def searcher(self, reader: IndexReader, centre: "Centre", published: object) -> "Searcher":
        if not self._hold_vectors:
            from embedtool.search.searcher import open_searcher

            return open_searcher(reader, centre)
        with self._lock:
            if self._search is None:
                from embedtool.search.search_cache import SearchCache

                self._search = SearchCache()
            return self._search.searcher(reader, centre, published)


def _identity(index: Path) -> tuple[int, int] | None:
    """Return the device and inode of the catalogue, or None if it does not exist."""
    try:
        status = os.stat(index / "catalog.sqlite")
    except OSError:
        return None
    return status.st_dev, status.st_ino
