"""A FAISS index over a few principal axes of the vectors: it proposes, exact comparison decides.

The axes are of the vectors themselves, not of the vectors less their mean, so that the inner
product along them ranks as cosine does. A stored vector gets one coordinate more, the length of
what lies off the axes: all are of length 1 again, which a graph of neighbours needs to be walked
well (Bachrach et al., 2014), and since a query has 0 there, its ranking stays what it was.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from embedtool.search.exact import Ids, threads_for
from embedtool.types import Vectors


class Approximate:
    """faiss ids are vector ids. Not for several threads at once; uses all cores by itself."""

    def __init__(self, index: Any, method: str) -> None:  # faiss tells no types of inner indexes
        self._index = index
        self._breadth = "efSearch" if method.startswith("HNSW") else "nprobe"
        self.count = int(index.ntotal)

    @classmethod
    def empty(cls, method: str, sample: Vectors, dimensions: int) -> "Approximate":
        """An index of a faiss factory name, trained on sample rows (n, d), with nothing in it."""
        _, axes = np.linalg.eigh(sample.T @ sample)  # ascending
        matrix = np.zeros((dimensions + 1, sample.shape[1]), np.float32)  # the last is for `_lift`
        matrix[:-1] = axes[:, : -dimensions - 1 : -1].T
        rotation = faiss.LinearTransform(sample.shape[1], dimensions + 1, False)
        faiss.copy_array_to_vector(matrix.ravel(), rotation.A)
        rotation.is_trained = True
        inner = faiss.index_factory(dimensions + 1, method, faiss.METRIC_INNER_PRODUCT)
        inner.train(_lift(rotation, sample))
        return cls(faiss.IndexPreTransform(rotation, faiss.IndexIDMap(inner)), method)

    @classmethod
    def open(cls, file: Path, method: str, *, grow: bool = False) -> "Approximate":
        """Memory-mapped, or with `grow` in memory, so that vectors can be added.

        The file must have been checked: faiss reads most damage as if whole.
        """
        return cls(faiss.read_index(str(file), 0 if grow else faiss.IO_FLAG_MMAP_IFC), method)

    def write(self, write: Callable[[bytes], object]) -> None:
        """Hand the file's content to `write`, piece by piece."""
        faiss.write_index(self._index, faiss.PyCallbackIOWriter(write))  # type: ignore[attr-defined]

    def size(self) -> int:
        """The bytes that `write` writes."""
        sizes: list[int] = []
        self.write(lambda part: sizes.append(len(part)))
        return sum(sizes)

    def add(self, ids: Ids, rows: Vectors) -> None:
        lifted = _lift(faiss.downcast_VectorTransform(self._index.chain.at(0)), rows)
        self._mapped().add_with_ids(lifted, ids)
        self.count += len(ids)
        self._index.ntotal = self.count  # faiss counts where it is called

    def propose(self, queries: Vectors, count: int, breadth: int) -> Ids:
        """For each query (m, d) the ids (m, count) that look nearest; -1 where it has no more.

        breadth: how much of the index is looked at, efSearch of a graph or nprobe of lists.
        """
        faiss.ParameterSpace().set_index_parameter(self._index, self._breadth, breadth)
        with threads_for(queries):
            found: Ids = self._index.search(queries, min(count, self.count))[1]
        return found

    def ids(self) -> Ids:
        """The vector ids (n,) in the order they were added."""
        return faiss.vector_to_array(self._mapped().id_map)

    def refined(self, rows: faiss.Index, breadth: int) -> faiss.IndexRefine:
        """A search whose proposals are compared with `rows`, which holds all vectors in the order
        of `ids`; its labels are places in that order. It lives no longer than this object.

        rows may have coordinates after those of the vectors, which only the comparison sees.
        """
        faiss.ParameterSpace().set_index_parameter(self._index, self._breadth, breadth)
        rotation: Any = faiss.downcast_VectorTransform(self._index.chain.at(0))
        matrix = faiss.vector_to_array(rotation.A).reshape(rotation.d_out, rotation.d_in)
        blind = np.pad(matrix, ((0, 0), (0, rows.d - rotation.d_in)))
        wide: Any = faiss.LinearTransform(rows.d, rotation.d_out, False)
        faiss.copy_array_to_vector(blind.ravel(), wide.A)
        wide.is_trained = True
        self._plain = faiss.IndexPreTransform(wide, self._mapped().index)
        return faiss.IndexRefine(self._plain, rows)

    def _mapped(self) -> Any:
        return faiss.downcast_index(self._index.index)


def _lift(rotation: faiss.VectorTransform, rows: Vectors) -> Vectors:
    """Unit rows along the axes, and in the last coordinate what makes them of length 1 again."""
    along: Vectors = rotation.apply(rows)
    along[:, -1] = np.sqrt((1 - np.einsum("nd,nd->n", along, along)).clip(min=0))
    return along
