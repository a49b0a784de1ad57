"""Base classes of results: sequences of dataclasses that become tables, or pictures in a
notebook."""

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Reversible, Sequence
from dataclasses import fields, is_dataclass
from itertools import islice
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, overload

import numpy as np

from embedtool.core.extras import require

if TYPE_CHECKING:
    import pandas

Item = TypeVar("Item")
SHOWN = 24  # pictures that a notebook shows for a result


class Results(Collection[Item], Reversible[Item], Generic[Item]):
    """A sequence of small dataclasses of one kind, `item_type`.

    It lacks the method `index` of other sequences, because several results have an attribute
    `index`: the folder of their index.
    """

    item_type: ClassVar[type[Any]]

    @classmethod
    def of(cls, found: Any) -> Self:
        """Make a result from the plain dataclass that a package returns."""
        return cls(**vars(found))

    @property
    @abstractmethod
    def items(self) -> Sequence[Item]: ...

    @abstractmethod
    def summary(self) -> str:
        """Return a one-line summary of the result."""

    @abstractmethod
    def _repr_html_(self) -> str: ...

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __reversed__(self) -> Iterator[Item]:
        return reversed(self.items)

    def __contains__(self, item: object) -> bool:
        return item in self.items

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Item]: ...
    def __getitem__(self, place: int | slice) -> Item | Sequence[Item]:
        return self.items[place]

    def to_records(self) -> list[dict[str, Any]]:
        """Return one dictionary per item. Its values can be written as JSON, except dates, which
        stay `datetime`."""
        return [_plain(item) for item in self.items]

    def to_pandas(self) -> "pandas.DataFrame":
        """Return a pandas DataFrame with one row per item, in their order. Needs pandas."""
        require("pandas")
        import pandas

        records = self.to_records()
        columns = {}
        for field in fields(self.item_type):
            values = [record[field.name] for record in records]
            # Not the text type of pandas: Arrow rejects file names that are not UTF-8.
            text = any(isinstance(value, str) for value in values)
            columns[field.name] = pandas.Series(values, dtype=object if text else None)
        return pandas.DataFrame(columns)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.summary()}>"


class Gallery(Results[Item]):
    """Results that a notebook shows as pictures."""

    @abstractmethod
    def pictures(self) -> Iterator[tuple[Path, str]]:
        """Yield the path and the caption of each picture."""

    def picture_count(self) -> int:
        """Return how many pictures `pictures` yields."""
        return len(self)

    def _repr_html_(self) -> str:
        from embedtool.report.notebook import gallery

        shown = list(islice(self.pictures(), SHOWN))
        return gallery(self.summary(), shown, self.picture_count())


Sequence.register(Results)  # type: ignore[type-abstract]


def _plain(value: Any) -> Any:
    """Return a value as a type that JSON has; dates stay `datetime`."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, PathLike):
        return fspath(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {key: _plain(own) for key, own in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(own) for own in value]
    return value
