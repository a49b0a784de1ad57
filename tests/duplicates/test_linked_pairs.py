"""Few comparisons tell what all proposed pairs show."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedtool.duplicates import linked_pairs
from embedtool.duplicates.linked_pairs import relations_of
from embedtool.duplicates.picture_pairs import DIFFERENT, EDITED, UNEDITED, Items, Pairs


class KnownPictures:
    """Items whose picture and version are known. It counts what is compared."""

    def __init__(self, pictures: list[tuple[int, int]]) -> None:
        self.pictures = np.array(pictures).reshape(-1, 2)
        self.count = len(pictures)
        self.compared: list[tuple[int, int]] = []
        self.stars: list[tuple[int, list[int]]] = []

    def truth(self, pairs: Pairs) -> np.ndarray:
        same = self.pictures[pairs[:, 0]] == self.pictures[pairs[:, 1]]
        return np.where(same.all(1), UNEDITED, np.where(same[:, 0], EDITED, DIFFERENT))

    def relations(self, pairs: Pairs, progress: Any = None) -> np.ndarray:
        self.compared += map(tuple, pairs.tolist())
        return self.truth(pairs)

    def unedited(self, pairs: Pairs, progress: Any = None) -> np.ndarray:
        found: np.ndarray = self.relations(pairs) == UNEDITED
        return found

    def find_copies(self, hub: int, others: Items, progress: Any = None) -> None:
        self.stars.append((hub, others.tolist()))


def found(pictures: KnownPictures, pairs: Pairs, cosine: float) -> np.ndarray:
    cosines = np.full(len(pairs), cosine, np.float32)
    return relations_of(pairs, cosines, pictures, lambda i: int(i.max()), None)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=14), st.data())
def test_every_pair_has_its_relation_and_no_link_is_compared_twice(
    items: list[tuple[int, int]], data: st.DataObject
) -> None:
    every = [(a, b) for b in range(len(items)) for a in range(b)]
    chosen = data.draw(st.sets(st.sampled_from(every))) if every else set()
    pairs = np.array(sorted(chosen), np.int64).reshape(-1, 2)
    pictures = KnownPictures(items)
    assert found(pictures, pairs, 0.9).tolist() == pictures.truth(pairs).tolist()
    assert len(set(pictures.compared)) == len(pictures.compared)
    compared = np.array(pictures.compared, np.int64).reshape(-1, 2)
    links = (pictures.truth(compared) == UNEDITED).sum()
    assert links <= max(len(items) - len(set(items)), 0)


def test_a_large_group_of_equal_vectors_is_compared_with_one_item(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(linked_pairs, "LARGE", 5)
    pictures = KnownPictures([*[(0, 0)] * 6, *[(1, 0)] * 4])
    pairs = np.array([(a, b) for a in range(10) for b in range(a + 1, 10) if (a < 6) == (b < 6)])
    assert (found(pictures, pairs, 0.99) == UNEDITED).all()
    assert pictures.stars == [(5, [0, 1, 2, 3, 4])]
    assert {pair for pair in pictures.compared if max(pair) < 6} == {(5, n) for n in range(5)}
    assert len(pictures.compared) == 5 + 3


def test_equal_vectors_of_different_pictures_are_not_linked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(linked_pairs, "LARGE", 3)
    pictures = KnownPictures([(n, 0) for n in range(8)])
    pairs = np.array([(a, b) for a in range(8) for b in range(a + 1, 8)])
    assert (found(pictures, pairs, 1) == DIFFERENT).all()
    assert len(pictures.compared) == len(pairs) + 7
