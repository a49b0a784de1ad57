"""New vectors on a saved map, against a full sort and `place_on_map`."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.progress import Reports
from support.vectors import DIM, cloud, collection, commit

from embedtool.core.types import Vectors, unit_rows
from embedtool.explore import map_placement
from embedtool.explore.map_file import SavedMap, read_map, save_map
from embedtool.explore.map_placement import place_new_images
from embedtool.explore.umap_layout import place_on_map
from embedtool.search.exact import Block, nearest
from embedtool.store.writer import Writer

OLD, NEW = 60, 7


def saved_map(writer: Writer, centre: Vectors) -> SavedMap:
    """Return a map of all vectors, at random coordinates."""
    ids = writer.places_after(0)["id"].copy()
    coordinates = np.random.default_rng(0).normal(scale=5, size=(len(ids), 2)).astype(np.float32)
    return SavedMap(ids, coordinates, np.zeros(len(ids), np.bool_), centre, 30, 0)


def stored(writer: Writer) -> Vectors:
    """Return all vectors, rounded as in the index."""
    return writer.rows_at(writer.places_after(0))


def expected(row: Vectors, laid_out: Vectors, saved: SavedMap) -> np.ndarray:
    """The position of a row from its 15 nearest among all that are laid out."""
    directions = unit_rows(np.vstack([row, laid_out]) - saved.centre).astype(np.float64)
    similarities = directions[1:] @ directions[0]
    order = np.argsort(-similarities, kind="stable")[:15]
    return place_on_map(similarities[order], saved.coordinates[order])


@pytest.fixture
def rows() -> Vectors:
    return cloud(OLD + NEW, 0)


@pytest.fixture
def writer(tmp_path: Path, rows: Vectors) -> Iterator[Writer]:
    with Writer(collection(tmp_path / "index", rows[:OLD])) as writer:
        yield writer


@pytest.mark.parametrize("batch", [4096, 2])
def test_new_vectors_are_placed_by_their_nearest_laid_out_ones(
    writer: Writer, rows: Vectors, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_placement, "BATCH", batch)
    saved = saved_map(writer, rows[:OLD].mean(0))
    commit(writer, rows[OLD:], OLD)
    reports = Reports()
    found = place_new_images(writer, saved, progress=reports)
    assert found.ids.tolist() == writer.places_after(0)["id"].tolist()
    assert np.array_equal(found.coordinates[:OLD], saved.coordinates)
    assert found.placed.tolist() == [False] * OLD + [True] * NEW
    rows = stored(writer)
    for place in range(OLD, OLD + NEW):
        position = expected(rows[place], rows[:OLD], saved)
        assert found.coordinates[place] == pytest.approx(position, abs=1e-4)
    assert reports.calls == [("placing new images", done, NEW) for done in range(1, NEW + 1)]
    assert found.coordinates.dtype == np.float32
    assert (found.centre is saved.centre, found.neighbours, found.seed) == (True, 30, 0)


def test_placed_vectors_place_no_others(writer: Writer, rows: Vectors) -> None:
    """The map has the middle vectors only: the ids of new ones lie before and after."""
    whole = saved_map(writer, rows[:OLD].mean(0))
    middle = slice(20, 50)
    placed = np.zeros(30, np.bool_)
    placed[::3] = True
    saved = replace(
        whole, ids=whole.ids[middle], coordinates=whole.coordinates[middle], placed=placed
    )
    found = place_new_images(writer, saved)
    assert found.ids.tolist() == whole.ids.tolist()
    assert np.array_equal(found.coordinates[middle], saved.coordinates)
    assert np.array_equal(found.placed[middle], placed)
    rows, laid_out = stored(writer), replace(saved, coordinates=saved.coordinates[~placed])
    for place in (*range(20), *range(50, OLD)):
        position = expected(rows[place], rows[middle][~placed], laid_out)
        assert found.placed[place]
        assert found.coordinates[place] == pytest.approx(position, abs=1e-4)


@pytest.mark.parametrize("proposed", ["first", "last"])
def test_of_equally_near_vectors_the_first_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proposed: str
) -> None:
    """Forty equal vectors, which are more than the candidates that a search proposes. It may
    propose any of them, such as the last."""

    def last_of_equals(queries: Vectors, blocks: Iterable[Block], k: int) -> Any:
        found = nearest(queries, blocks, 60)
        return [part[:, 9:40][:, :k] for part in found]

    if proposed == "last":
        monkeypatch.setattr(map_placement, "nearest", last_of_equals)
    rows = cloud(60, 0)
    rows[10:50] = rows[10]
    with Writer(collection(tmp_path / "index", rows)) as writer:
        saved = saved_map(writer, rows.mean(0))
        commit(writer, rows[10:11] + 0.001 * rows[:1], 60)
        found = place_new_images(writer, saved)
    assert found.coordinates[60] == pytest.approx(
        place_on_map(np.full(15, 0.5), saved.coordinates[10:25]), abs=1e-3
    )


def test_nothing_new_changes_nothing(writer: Writer) -> None:
    saved = saved_map(writer, np.zeros(DIM, np.float32))
    assert place_new_images(writer, saved) is saved


def test_a_saved_map_is_read_as_it_was_written(writer: Writer, rows: Vectors) -> None:
    assert read_map(writer) is None
    saved = replace(saved_map(writer, rows[0]), placed=np.arange(OLD) % 2 > 0, seed=7)
    save_map(writer, saved)
    found = read_map(writer)
    assert found is not None and (found.neighbours, found.seed) == (30, 7)
    for name in ("ids", "coordinates", "placed", "centre"):
        one, other = getattr(found, name), getattr(saved, name)
        assert one.dtype == other.dtype and np.array_equal(one, other)
    [file] = (writer.path / "derived").glob("map-*.npz")
    file.write_bytes(b"damaged")
    assert read_map(writer) is None
