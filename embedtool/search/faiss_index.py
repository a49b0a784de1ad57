"""A FAISS index over a few principal axes of vectors, which proposes candidates.

The vectors are directions from the centre of the collection, so that the inner product along the
axes ranks like the similarity. A stored vector gets one more coordinate, the length of its
residual (the part that is not along the axes), so that all vectors have length 1 again: searching a
neighbour graph requires this (Bachrach et al., 2014). A query gets RESIDUAL_WEIGHT times its
residual length. Vectors that are near it along the axes have similar residuals too; the inner
product of the residuals is an unknown share of the product of their lengths, and estimating it
ranks better than leaving it out.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from embedtool.core.types import Vectors
from embedtool.errors import DerivedDamaged
from embedtool.search.centre import Centre, directions
from embedtool.search.exact import Ids, threads_for

EF_CONSTRUCTION = 200  # a graph that is built thoroughly is searched in fewer steps
RESIDUAL_WEIGHT = 0.5  # 25 candidates are as good as 50 with weight 0; 0.4 and 0.6 are similar
GRAPH_AXES = 192  # axes that `propose_neighbours` uses to search a graph
ORDERING_AXES = 16  # the axes that `locality_order` sorts by: cells of 15 vectors at a million


def principal_axes(sample: Vectors) -> npt.NDArray[np.float32]:
    """Return the principal axes (d, d) of sample directions (n, d), by descending spread."""
    _, axes = np.linalg.eigh(sample.T @ sample)
    return np.ascontiguousarray(axes.T[::-1])


def locality_order(coordinates: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """Return an order (n,) in which similar rows are adjacent.

    coordinates: (n, b), along ORDERING_AXES. Rows are sorted by their side of the median, axis by
    axis. If rows are stored and searched in this order, most of what one search reads is still in
    the cache for the next.
    """
    sides = coordinates > np.median(coordinates, axis=0)
    return np.argsort(sides @ (1 << np.arange(coordinates.shape[1])[::-1]), kind="stable")


class FaissIndex:
    """A faiss index whose ids are vector ids, over the directions of vectors from a centre.

    Several threads may search it; each search uses all cores."""

    def __init__(self, index: Any, method: str, centre: Centre) -> None:
        self._index = index  # faiss has no types for inner indexes
        self.centre = centre
        self._is_graph = method.startswith("HNSW")
        self.count = int(index.ntotal)
        axes = self._axes()[:-1]
        self.dim = axes.shape[1]
        first = axes[:GRAPH_AXES]  # padded to a multiple of 8: faiss is slow with other numbers
        self.graph_axes = np.pad(first, ((0, -len(first) % 8), (0, 0)))
        self._graph: Any = None

    @classmethod
    def empty(
        cls, method: str, sample: Vectors, axes: npt.NDArray[np.float32], centre: Centre
    ) -> "FaissIndex":
        """Return an empty index over axes (a, d), trained on sample directions (n, d).

        method: a factory string of faiss."""
        matrix = np.pad(axes, ((0, 1), (0, 0)))  # the last row is for `_project`
        rotation = faiss.LinearTransform(matrix.shape[1], matrix.shape[0], False)
        faiss.copy_array_to_vector(matrix.ravel(), rotation.A)
        rotation.is_trained = True
        inner = faiss.index_factory(len(matrix), method, faiss.METRIC_INNER_PRODUCT)
        inner.train(_project(rotation, sample))
        if method.startswith("HNSW"):
            inner.hnsw.efConstruction = EF_CONSTRUCTION  # type: ignore[attr-defined]
        return cls(faiss.IndexPreTransform(rotation, faiss.IndexIDMap(inner)), method, centre)

    @classmethod
    def open(
        cls, file: Path, method: str, centre: Centre, *, in_memory: bool = False
    ) -> "FaissIndex":
        """Open a file memory-mapped, or read it into memory so that vectors can be added.

        Check the file before: faiss reads most damaged files without an error. Raises
        DerivedDamaged if faiss refuses it, or if it is an index of another kind.
        """
        try:
            opened = faiss.read_index(str(file), 0 if in_memory else faiss.IO_FLAG_MMAP_IFC)
            return cls(opened, method, centre)
        except Exception as error:  # of many types: those of faiss, and missing attributes
            raise DerivedDamaged(f"faiss cannot read {file}: {str(error)[:200]}") from error

    def write(self, write: Callable[[bytes], object]) -> None:
        """Pass the content of the file to `write`, in pieces."""
        faiss.write_index(self._index, faiss.PyCallbackIOWriter(write))  # type: ignore[attr-defined]

    def size(self) -> int:
        """Return the number of bytes that `write` writes."""
        sizes: list[int] = []
        self.write(lambda part: sizes.append(len(part)))
        return sum(sizes)

    def add(self, ids: Ids, rows: Vectors) -> None:
        """Add unit rows (n, d)."""
        projected = _project(self._rotation(), directions(rows, self.centre))
        self._id_map().add_with_ids(projected, ids)
        self.count += len(ids)
        self._index.ntotal = self.count  # faiss updates the count of the inner index only

    def propose(self, queries: Vectors, count: int, breadth: int) -> Ids:
        """Return candidate ids (m, count) for queries (m, d), which are directions from the centre;
        -1 if there are no more.

        breadth: how much of the index is searched: efSearch of a graph or nprobe of lists.
        """
        if self._is_graph:  # a search below count ends too early
            parameters = faiss.SearchParametersHNSW(  # type: ignore[attr-defined]
                efSearch=max(breadth, count)
            )
        else:
            parameters = faiss.SearchParametersIVF(nprobe=breadth)  # type: ignore[call-arg]
        with threads_for(queries):
            projected = _project(self._rotation(), queries)
            projected[:, -1] *= RESIDUAL_WEIGHT
            order = locality_order(projected[:, :ORDERING_AXES])
            found = np.empty((len(queries), min(count, self.count)), np.int64)
            found[order] = self._id_map().search(
                projected[order], found.shape[1], params=parameters
            )[1]
        return found

    def ids(self) -> Ids:
        """Return the vector ids (n,) in the order they were added."""
        return faiss.vector_to_array(self._id_map().id_map)

    def set_centred_coordinates(self, coordinates: Vectors) -> None:
        """Set the coordinates (n, a) of all vectors along `graph_axes`, relative to a centre.

        They are in the order of `ids`. `propose_neighbours` uses them to search a graph."""
        if self._is_graph:
            half = faiss.ScalarQuantizer.QT_fp16
            self._centred = faiss.IndexScalarQuantizer(
                coordinates.shape[1], half, faiss.METRIC_INNER_PRODUCT
            )
            self._centred.add(coordinates)
            graph: Any = faiss.IndexHNSW
            self._graph = graph(self._centred, 1)  # _centred needs a reference: faiss has none
            inner: Any = faiss.downcast_index(self._id_map().index)
            self._graph.hnsw = inner.hnsw
            self._graph.ntotal = len(coordinates)

    def propose_neighbours(
        self, starts: npt.NDArray[np.int64], directions: Vectors, count: int, breadth: int
    ) -> npt.NDArray[np.int64]:
        """Return candidate neighbours of vectors as places (m, count); -1 if there are no more.

        starts: the places (m,) of the vectors; places are positions in `ids`. directions: those of
        the vectors from a centre, (m, d). The search in a graph starts at the vector itself. Call
        `set_centred_coordinates` first.
        """
        if self._graph is None:
            lists = faiss.SearchParametersIVF(nprobe=breadth)  # type: ignore[call-arg]
            inner = self._id_map().index
            found: Ids = inner.search(self._rotation().apply(directions), count, params=lists)[1]
            return found
        self._graph.hnsw.efSearch = breadth
        # Each array needs a reference: faiss gets bare addresses.
        targets = self._centred.reconstruct_batch(starts)
        first = starts.astype(np.int32)
        similar = np.ones(len(starts), np.float32)
        products = np.empty((len(starts), count), np.float32)
        found = np.empty((len(starts), count), np.int64)
        self._graph.search_level_0(
            len(starts),
            faiss.swig_ptr(targets),
            count,
            faiss.swig_ptr(first),
            faiss.swig_ptr(similar),
            faiss.swig_ptr(products),
            faiss.swig_ptr(found),
            1,  # each search has one starting point
            1,
        )
        return found

    def _axes(self) -> npt.NDArray[np.float32]:
        """Return the principal axes and a row of zeros for `_project`, together (a + 1, d)."""
        rotation = self._rotation()
        return faiss.vector_to_array(rotation.A).reshape(rotation.d_out, rotation.d_in)

    def _rotation(self) -> Any:
        return faiss.downcast_VectorTransform(self._index.chain.at(0))

    def _id_map(self) -> Any:
        return faiss.downcast_index(self._index.index)


def _project(rotation: faiss.VectorTransform, rows: Vectors) -> Vectors:
    """Project directions on the axes. The last coordinate makes their length 1 again."""
    coordinates: Vectors = rotation.apply(rows)
    coordinates[:, -1] = np.sqrt((1 - np.einsum("nd,nd->n", coordinates, coordinates)).clip(min=0))
    return coordinates
