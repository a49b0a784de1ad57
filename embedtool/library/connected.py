"""The part of `Index` that its methods stand on: the open index and its facts."""

from typing import TYPE_CHECKING, Self

from embedtool.collection.open_index import OpenIndex
from embedtool.core.types import PathLike

if TYPE_CHECKING:
    from pathlib import Path


class Connected:
    """An index that is open, and what never changes of it. `connection` is for our own use."""

    def __init__(self, path: PathLike, *, hold_vectors: bool = True) -> None:
        self.connection = OpenIndex(path, hold_vectors=hold_vectors)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all that is loaded. Calls that are at work in other threads finish first.

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
        """The name of the network that made the vectors.

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
