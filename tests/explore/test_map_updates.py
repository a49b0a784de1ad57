"""When a map is laid out, by what settings, and what it says of each image. UMAP is left out."""

import csv
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.vectors import cloud, collection, commit

from embedtool import map_index
from embedtool.core.types import Source, unit_rows
from embedtool.explore import map as module
from embedtool.explore.map import map_points, write_coordinates
from embedtool.explore.map_dates import dated
from embedtool.explore.results import Map
from embedtool.explore.thumbnails import Thumbnails
from embedtool.store.cluster_labels import Clusters, save_clusters
from embedtool.store.writer import Writer


@pytest.fixture(autouse=True)
def layouts(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The calls of `umap_layout`, which doubles the initial coordinates."""
    calls = []

    def laid_out(indices: Any, similarities: Any, start: np.ndarray, **options: Any) -> np.ndarray:
        calls.append({"n": len(indices), "dimensions": start.shape[1], **options})
        return 2 * start

    monkeypatch.setattr(module, "umap_layout", laid_out)
    return calls


def drop(path: Path, count: int) -> None:
    """Remove the first images."""
    with Writer(path) as writer:
        writer.drop([row.id for row in writer.rows()][:count], [])


def add(path: Path, first: int, count: int) -> None:
    with Writer(path) as writer:
        commit(writer, cloud(count, first), first)


@pytest.mark.parametrize(
    ("laid_out", "gone", "new", "placed"),
    [
        *((1, 0, 1, True), (1, 0, 2, False), (4, 0, 4, True), (4, 0, 5, False)),
        *((6, 3, 3, True), (6, 3, 4, False), (6, 6, 1, False)),
    ],
)
def test_a_map_is_laid_out_again_once_more_were_placed_than_laid_out(
    tmp_path: Path, laid_out: int, gone: int, new: int, placed: bool
) -> None:
    path = collection(tmp_path / "index", cloud(laid_out, 0))
    first = map_index(path)
    assert first.notes == () and not first.placed.any()
    drop(path, gone)
    add(path, laid_out, new)
    second = map_index(path)
    kept = laid_out - gone
    assert second.placed.tolist() == [False] * kept + [placed] * new
    if placed:
        assert np.array_equal(second.coordinates[:kept], first.coordinates[gone:])
        assert second.notes[0].startswith(f"{new} new images were placed")
    else:
        assert "computed again" in second.notes[0]
    assert map_index(path).notes == ()


def test_placed_images_add_up(tmp_path: Path) -> None:
    path = collection(tmp_path / "index", cloud(6, 0))
    map_index(path)
    for first in (6, 9):
        add(path, first, 3)
        found = map_index(path)
        assert found.placed.tolist() == [False] * 6 + [True] * (first - 3)
    drop(path, 1)
    assert not map_index(path).placed.any(), "five are laid out, six were placed"


def test_removed_images_leave_the_others_where_they_are(tmp_path: Path) -> None:
    path = collection(tmp_path / "index", cloud(20, 0))
    before = map_index(path)
    drop(path, 5)
    after = map_index(path)
    assert np.array_equal(after.coordinates, before.coordinates[5:])
    assert after.notes == () and after.paths == before.paths[5:]


@pytest.mark.parametrize(("count", "used"), [(4, False), (5, True)])
def test_umap_needs_five_vectors(
    tmp_path: Path, layouts: list[dict[str, Any]], count: int, used: bool
) -> None:
    path = collection(tmp_path / "index", cloud(count, 0))
    found = map_index(path)
    assert [(call["n"], call["dimensions"]) for call in layouts] == [(count, 2)] * used
    with Writer(path) as writer:
        rows = writer.rows_at(writer.places_after(0))
    centred = rows - rows.mean(0)
    spread = np.linalg.svd(centred)[1][:2]
    assert np.linalg.norm(found.coordinates, axis=0) == pytest.approx((1 + used) * spread, rel=1e-4)


def test_equal_vectors_are_not_laid_out_by_umap(
    tmp_path: Path, layouts: list[dict[str, Any]]
) -> None:
    path = collection(tmp_path / "index", unit_rows(np.ones((9, 8), np.float32)))
    assert map_index(path).coordinates == pytest.approx(np.zeros((9, 2)), abs=1e-6)
    assert layouts == []


def test_settings_are_those_of_the_saved_map_unless_given(
    tmp_path: Path, layouts: list[dict[str, Any]]
) -> None:
    path = collection(tmp_path / "index", cloud(12, 0))

    def settings(**given: Any) -> tuple[int, int, int]:
        found = map_index(path, **given)
        assert (layouts[-1]["neighbours"], layouts[-1]["seed"]) == (found.neighbours, found.seed)
        return len(layouts), found.neighbours, found.seed

    assert settings() == (1, 30, 0)
    assert settings() == settings(neighbours=30) == settings(seed=0) == (1, 30, 0)
    assert settings(seed=5) == (2, 30, 5)
    assert settings(neighbours=2) == (3, 2, 5)
    assert settings() == (3, 2, 5)
    assert settings(rebuild=True) == (4, 2, 5)
    assert settings(rebuild=True, seed=0) == (5, 2, 0)


def test_an_up_to_date_map_is_read_while_another_process_writes(tmp_path: Path) -> None:
    path = collection(tmp_path / "index", cloud(8, 0))
    found = map_index(path)
    with Writer(path):
        assert np.array_equal(map_index(path).coordinates, found.coordinates)


SECONDS = (1_600_000_000, 1_700_000_000)


@pytest.fixture
def mapped(tmp_path: Path) -> Path:
    """A map of two vectors, the first with two images."""
    path = collection(tmp_path / "index", np.eye(3, dtype=np.float32)[:2])
    images = [
        (Source(b"/r", name, 1, seconds * 10**9 + 999_999_999), digest)
        for name, seconds, digest in (
            (b"top.jpg", SECONDS[0], b"%032d" % 0),
            (b"cats/b.jpg", SECONDS[1], b"%032d" % 1),
            (b"dogs/big/c.jpg", SECONDS[0], b"%032d" % 0),
        )
    ]
    with Writer(path) as writer:
        made_up = [row.id for row in writer.rows()]
        writer.commit(vectors=[], images=images, renames=[], rejects=[])
        writer.drop(made_up, [])
    return path


def cluster(path: Path, labels: Sequence[int], names: tuple[str, ...]) -> None:
    own = np.array(labels, np.int32)
    with Writer(path) as writer:
        ids = writer.places_after(0)["id"][: len(labels)]
        save_clusters(writer, Clusters(ids, own, own, np.ones(len(own), np.float32), names))


def test_a_map_has_path_folder_label_and_date_of_each_image(mapped: Path) -> None:
    found = map_index(mapped)
    assert [*map(str, found.paths)] == ["/r/top.jpg", "/r/cats/b.jpg", "/r/dogs/big/c.jpg"]
    assert found.folders == ("/r", "/r/cats", "/r/dogs/big")
    assert found.labels == ("r", "cats", "big")
    seconds = [SECONDS[0], SECONDS[1], SECONDS[0]]
    local = [datetime.fromtimestamp(each).isoformat() for each in seconds]
    assert found.dates.astype(str).tolist() == local
    assert found.vectors.tolist() == [1, 2, 1]
    assert found.coordinates[0].tolist() == found.coordinates[2].tolist()
    assert found.coordinates[0, 0] == pytest.approx(-found.coordinates[1, 0], abs=1e-5)
    assert abs(found.coordinates[0, 0]) == pytest.approx(np.sqrt(0.5), abs=1e-3)
    assert (found.clusters, found.cluster_names) == (None, ())


def test_images_that_came_after_the_clusters_are_noted(mapped: Path) -> None:
    cluster(mapped, [-1, 0], ("shoes",))
    found = map_index(mapped)
    assert found.clusters is not None and found.clusters.tolist() == [-1, 0, -1]
    assert found.notes == ()
    cluster(mapped, [0], ("shoes",))
    found = map_index(mapped)
    assert found.clusters is not None and found.clusters.tolist() == [0, -1, 0]
    assert found.notes[0].startswith("1 images were indexed after the last clustering")


def points(found: Map) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in map_points(found)[1]]


def test_points_have_a_row_for_each_image(mapped: Path) -> None:
    xy = [tuple(each) for each in map_index(mapped).coordinates.tolist()]
    assert map_points(map_index(mapped))[0] == ("path", "x", "y", "cluster", "label")
    assert points(map_index(mapped))[1] == ("/r/cats/b.jpg", *xy[1], "", "cats")
    cluster(mapped, [-1, 0], ("shoes",))
    found = map_index(mapped)
    rows = [
        ("/r/top.jpg", *xy[0], "noise", "r"),
        ("/r/cats/b.jpg", *xy[1], "shoes", "cats"),
        ("/r/dogs/big/c.jpg", *xy[2], "noise", "big"),
    ]
    assert points(found) == rows
    write_coordinates(found, mapped.parent / "map.csv")
    with open(mapped.parent / "map.csv", newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == ["path", "projection_x", "projection_y", "cluster", "label"]
    assert lines[1:] == [[str(value) for value in row] for row in rows]
    likely = found.with_predictions(found.paths, ["a", "b", "a"], [0.5, 1, 0.25])
    assert map_points(likely)[0][5:] == ("prediction", "probability")
    assert [row[5:] for row in points(likely)] == [("a", 0.5), ("b", 1), ("a", 0.25)]


def test_the_date_of_the_camera_replaces_that_of_the_file(mapped: Path) -> None:
    found = map_index(mapped)
    taken = np.array(["NaT", "2001-02-03T04:05:06"], "M8[s]")
    data = np.empty(0, np.uint8)
    shown = dated(found, Thumbnails(np.array([1, 2]), np.zeros(2, np.int64), taken, data))
    assert shown.dates.tolist() == [found.dates[0], taken[1], found.dates[2]]
    assert shown.paths == found.paths
