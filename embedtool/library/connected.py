"""The base class of `Index`: the open index and its constant properties."""

from typing import TYPE_CHECKING, Self

from embedtool.collection.open_index import OpenIndex
from embedtool.core.types import PathLike

if TYPE_CHECKING:
    from pathlib import Path


class Connected:
    """An open index and its constant properties. `connection` is not part of the public API."""

    def __init__(self, path: PathLike, *, hold_vectors: bool = True) -> None:
        self.connection = OpenIndex(path, hold_vectors=hold_vectors)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the index and free its memory, after running calls of other threads have finished.

        >>> index = embedtool.open("indexes/photos")
        >>> index.close()
        """
        self.connection.close()

    def __repr__(self) -> str:
        return f"<Index {str(self.path)!r}>"

    @property
    def path(self) -> "Path":
        """The folder of the index.

        >>> with embedtool.open("indexes/photos") as index:
        ...     index.path.name
        'photos'
        """
        return self.connection.path

    @property
    def model(self) -> str:
        """The name of the network that computed the vectors.

        >>> with embedtool.open("indexes/photos") as index:
        ...     index.model
        'builtin'
        """
        with self.connection.session() as session:
            return session.reader.model

    @property
    def dim(self) -> int:
        """The number of dimensions of a vector.

        >>> with embedtool.open("indexes/photos") as index:
        ...     index.dim
        1280
        """
        with self.connection.session() as session:
            return session.reader.dim
