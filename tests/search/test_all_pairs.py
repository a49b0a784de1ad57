"""The neighbours of all vectors of an index, against plain numpy."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from support.vectors import COUNT, cloud, collection, commit, share_found
from support.vectors import built as built
from support.vectors import large as large

from embedtool.core.types import Vectors, unit_rows
from embedtool.search import all_pairs
from embedtool.search.all_pairs import AllPairs
from embedtool.search.faiss_index import FaissIndex
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

Neighbours = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]


def centre_of(index: IndexReader) -> npt.NDArray[np.float32]:
    return np.asarray(index.rows_at(index.places_after(0)).mean(0))


def all_neighbours(index: IndexReader, centre: npt.NDArray[np.float32], k: int) -> Neighbours:
    """Similarities and positions (n, k) of the nearest others, by a full sort."""
    rows = index.rows_at(index.places_after(0)) - centre
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    similarities = rows @ rows.T
    np.fill_diagonal(similarities, -np.inf)
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(similarities, order, 1), order


@pytest.fixture
def approximate(large: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(all_pairs, "EXACT_ROWS", 500)
    return large


@pytest.mark.parametrize("in_memory", [True, False])
def test_exact_neighbours_and_their_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    monkeypatch.setattr(all_pairs, "ROWS_AT_ONCE", 64)
    monkeypatch.setattr(all_pairs, "ROWS_PER_READ", 50)
    monkeypatch.setattr(all_pairs, "IN_MEMORY_VECTORS", 300 if in_memory else 299)
    reports = []
    with IndexReader(collection(tmp_path / "index", cloud(300, 0))) as index, index.snapshot():
        centre = centre_of(index)
        which = np.random.default_rng(0).permutation(300)[:150]
        best, found = AllPairs(index, index.places_after(0), centre).nearest(
            which,
            9,
            progress=lambda done, total, *, stage, **_: reports.append((done, total, stage)),
        )
        similarities, positions = all_neighbours(index, centre, 9)
    assert np.allclose(best, similarities[which], atol=1e-6)
    assert (found == positions[which]).mean() > 0.999
    assert reports == [(done, 150, "finding neighbours") for done in (64, 128, 150)]


def test_a_vector_among_more_equal_ones_than_neighbours_is_not_its_own(tmp_path: Path) -> None:
    rows = np.concatenate([cloud(5, 0), np.repeat(cloud(1, 1), 9, axis=0)])
    with IndexReader(collection(tmp_path / "index", rows)) as index, index.snapshot():
        which = np.arange(14)
        centre = centre_of(index)
        best, found = AllPairs(index, index.places_after(0), centre).nearest(which, 3)
        similarities, _ = all_neighbours(index, centre, 3)
    assert not (found == which[:, None]).any()
    assert np.allclose(best, similarities, atol=1e-6)
    assert found[5].tolist() == [6, 7, 8] and found[13].tolist() == [5, 6, 7]


def test_fewer_others_than_requested(tmp_path: Path) -> None:
    with IndexReader(collection(tmp_path / "index", cloud(3, 0))) as index, index.snapshot():
        pairs = AllPairs(index, index.places_after(0), centre_of(index))
        best, found = pairs.nearest(np.array([2]), 4)
    assert sorted(found[0, :2].tolist()) == [0, 1] and found[0, 2:].tolist() == [-1, -1]
    assert np.isneginf(best[0, 2:]).all() and np.isfinite(best[0, :2]).all()


@pytest.mark.slow
@pytest.mark.parametrize("in_memory", [True, False])
def test_approximate_neighbours_of_what_remains_and_what_came_later(
    approximate: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    monkeypatch.setattr(all_pairs, "IN_MEMORY_VECTORS", COUNT if in_memory else 0)
    with Writer(approximate) as writer:
        commit(writer, cloud(150, 2), COUNT)
        writer.drop([row.id for row in writer.rows()][100:1100], [])
        centre = centre_of(writer)
        pairs = AllPairs(writer, writer.places_after(0), centre)
        count = COUNT + 150 - 1000
        which = np.random.default_rng(0).permutation(count)[:2000]
        best, found = pairs.nearest(which, 8)
        similarities, positions = all_neighbours(writer, centre, 8)
        exact = pairs.nearest(which[:50], 8, exact=True)
    assert not (found == which[:, None]).any(), "no vector is its own neighbour"
    assert (np.diff(best, axis=1) <= 0).all()
    rows = np.isclose(best[:, :, None], similarities[which][:, None, :], atol=1e-6).any(2)
    assert rows.mean() > 0.97 and share_found(found, positions[which]) > 0.97
    assert np.allclose(exact[0], similarities[which[:50]], atol=1e-6)
    assert share_found(exact[1], positions[which[:50]]) > 0.995


@pytest.mark.slow
def test_more_candidates_are_fetched_where_vectors_were_removed(
    approximate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice as many once half of the vectors in the approximate index are gone."""
    counts = []
    propose = FaissIndex.propose_neighbours

    def counting(
        self: FaissIndex, starts: npt.NDArray[np.int64], directions: Vectors, count: int, _: int
    ) -> npt.NDArray[np.int64]:
        counts.append(count)
        return propose(self, starts, directions, count, 64)

    monkeypatch.setattr(FaissIndex, "propose_neighbours", counting)
    with Writer(approximate) as writer:
        for _ in range(2):
            pairs = AllPairs(writer, writer.places_after(0), centre_of(writer))
            pairs.nearest(np.arange(10), 7)
            writer.drop([row.id for row in writer.rows()][::2], [])
    assert counts == [2 * 8, 2 * 8 * 2]


def test_no_similarity_is_beyond_one(approximate: Path) -> None:
    """Neither of equal nor of opposite directions, whose product can round beyond it."""
    with IndexReader(approximate) as index, index.snapshot():
        pairs = AllPairs(index, index.places_after(0), np.zeros(index.dim, np.float32))
        rows = unit_rows(np.random.default_rng(0).normal(size=(2000, index.dim)))
        for held in (np.vstack([rows, -rows]), None):
            pairs._in_memory = held
            directions = pairs._directions(np.arange(4000))
            where = np.stack([np.arange(4000), (np.arange(4000) + 2000) % 4000], axis=1)
            similarities = pairs._similarities(directions, where)
            assert similarities.min() >= -1 and similarities.max() <= 1
            assert np.allclose(similarities[:, 0], 1, atol=1e-6)
            if held is not None:
                assert np.allclose(similarities[:, 1], -1, atol=1e-6)
        opposite = -pairs._directions(np.arange(4000))
        assert pairs._similarities(opposite, np.arange(4000)[:, None]).min() >= -1
