"""Clusters of a layout that is made up, in place of UMAP's: what is reported, saved and written."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.vectors import collection, commit, drop_every

from embedtool import cluster_index
from embedtool.core.types import Source, Vectors, unit_rows
from embedtool.errors import ModelMismatch
from embedtool.explore import clusters
from embedtool.explore.cluster_folders import write_cluster_folders
from embedtool.explore.clusters import SHOWN, write_members
from embedtool.explore.hdbscan_cut import Clustering
from embedtool.explore.results import Cluster, ClusterReport, Member
from embedtool.store.cluster_labels import read_clusters
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

LABELS = np.array([0] * 20 + [1] * 12 + [2] * 9 + [-1] * 4, np.int32)


def path_of(number: int) -> Path:
    """The path that `commit` gives to a row."""
    return Path(f"/photos/{number % 3}/{number:05}.jpg")


def plain_centres(rows: Vectors, labels: Sequence[int]) -> tuple[list[float], list[float]]:
    """The cosine of each row to the mean of its cluster, and to the nearest other mean."""
    count = max(labels) + 1
    sums = [
        sum(row for row, own in zip(rows, labels, strict=True) if own == c) for c in range(count)
    ]
    cosines = [[float(row @ s / np.linalg.norm(s)) for s in sums] for row in rows]
    own = [near[label] if label >= 0 else 0 for near, label in zip(cosines, labels, strict=True)]
    other = [
        max(cosine for c, cosine in enumerate(near) if c != label)
        for near, label in zip(cosines, labels, strict=True)
    ]
    return own, other


@pytest.fixture
def writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An index of 45 vectors around three centres, read seven at a time."""
    monkeypatch.setattr("embedtool.store.reader.BLOCK_ROWS", 7)
    random = np.random.default_rng(0)
    centres = random.normal(size=(4, 16))
    rows = unit_rows(centres[LABELS] + random.normal(size=(45, 16)))
    with Writer(collection(tmp_path / "index", rows)) as writer:
        yield writer


def test_similarities_to_centres_are_those_of_a_plain_loop(writer: Writer) -> None:
    rows = writer.rows_at(writer.places_after(0))
    own, other = clusters._to_centres(writer, LABELS, 3)
    expected = plain_centres(rows, LABELS.tolist())
    assert own == pytest.approx(expected[0], abs=1e-6)
    assert other == pytest.approx(expected[1], abs=1e-6)
    alone = clusters._to_centres(writer, np.minimum(LABELS, 0), 1)
    assert alone[1][LABELS >= 0].tolist() == [-1] * 41, "no other centre"
    none = clusters._to_centres(writer, np.full(45, -1, np.int32), 0)
    assert (none[0].tolist(), none[1].tolist()) == ([0] * 45, [-1] * 45)


def test_a_report_shows_typical_borderline_and_least_similar_members(writer: Writer) -> None:
    """Borderline members are those whose similarity to their own centre exceeds that to the nearest
    other centre by the least."""
    writer.commit(
        vectors=[],
        images=[(Source(b"/photos", b"copy.jpg", 1, 1), b"%032d" % 3)],
        renames=[],
        rejects=[],
    )
    ids = writer.places_after(0)["id"]
    nearest, strengths = np.where(LABELS < 0, 2, LABELS), np.linspace(0, 1, 45, dtype=np.float32)
    found = Clustering(LABELS, nearest, strengths, np.array([0.5, 0.25, 0.125]), 6, 0.75)
    images = clusters._images(writer, ids.tolist())
    report = clusters._report(writer, ids, found, ("a", "b", "c"), images, 9)
    own, other = plain_centres(writer.rows_at(writer.places_after(0)), LABELS.tolist())
    assert [(c.id, c.name, c.size, c.stability) for c in report.clusters] == [
        *((0, "a", 21, 0.5), (1, "b", 12, 0.25), (2, "c", 9, 0.125))
    ]
    for each in report.clusters:
        inside = [n for n in range(45) if LABELS[n] == each.id]
        by_own = sorted(inside, key=lambda n: own[n])
        margins = sorted(inside, key=lambda n: own[n] - other[n])
        assert each.representatives == tuple(map(path_of, by_own[::-1][:8]))
        assert each.borderline == tuple(map(path_of, margins[:8]))
        assert each.outliers == tuple(map(path_of, by_own[:8]))
        assert each.borderline not in (each.outliers, each.representatives)
    assert SHOWN == 8
    members = [
        Member(path_of(n), int(LABELS[n]), int(nearest[n]), float(strengths[n])) for n in range(45)
    ]
    copy = Member(Path("/photos/copy.jpg"), 0, 0, float(strengths[3]))
    assert report.members == (*members, copy)
    assert (report.noise, report.min_cluster_size, report.modularity) == (4, 6, 0.75)
    assert (report.index, report.seed, report.notes) == (writer.path, 9, ())


class Layouts:
    """Stands in for UMAP: places the rows at as many points as there are clusters."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(
        self, indices: np.ndarray, similarities: np.ndarray, start: np.ndarray, **options: Any
    ) -> np.ndarray:
        self.calls.append({"k": indices.shape[1], "dimensions": start.shape[1], **options})
        corners = np.zeros((len(indices), 2), np.float32)
        corners[len(indices) // 2 :] = 9
        return corners


@pytest.fixture
def layouts(monkeypatch: pytest.MonkeyPatch) -> Layouts:
    made = Layouts()
    monkeypatch.setattr(clusters, "umap_layout", made)
    return made


def two_groups(path: Path, count: int, dimensions: int = 16) -> Path:
    """Make an index whose first half is around one axis and whose second half around another."""
    axes = np.eye(dimensions)[np.arange(count) * 2 // count]
    noise = np.random.default_rng(0).normal(scale=0.1, size=axes.shape)
    return collection(path, unit_rows(axes + noise))


def labels_of(report: ClusterReport) -> list[int]:
    return [member.cluster for member in report.members]


def test_the_layout_is_made_once_for_each_seed_and_each_set_of_images(
    tmp_path: Path, layouts: Layouts
) -> None:
    path = two_groups(tmp_path / "index", 50)
    report = cluster_index(path, seed=3)
    assert labels_of(report) == [0] * 25 + [1] * 25
    [given] = layouts.calls
    assert (given["k"], given["neighbours"], given["dimensions"]) == (40, 41, 10)
    assert (given["min_dist"], given["seed"]) == (0, 3)
    assert cluster_index(path, seed=3) == report
    assert cluster_index(path, seed=3, detail=2.5).min_cluster_size == 2
    assert len(layouts.calls) == 1, "the saved layout is used again"
    cluster_index(path, seed=4)
    assert [call["seed"] for call in layouts.calls] == [3, 4]
    with Writer(path) as writer:
        drop_every(writer, 10)
        commit(writer, unit_rows(np.eye(16, dtype=np.float32)[:3]), 50)
    assert labels_of(cluster_index(path, seed=4)) == [0] * 24 + [1] * 24
    assert len(layouts.calls) == 3


def test_few_dimensions_are_all_used(tmp_path: Path, layouts: Layouts) -> None:
    cluster_index(two_groups(tmp_path / "index", 12, 6))
    assert [(call["k"], call["dimensions"]) for call in layouts.calls] == [(11, 6)]


def test_ten_images_are_the_fewest_that_are_clustered(tmp_path: Path, layouts: Layouts) -> None:
    for count, note in (
        (9, "expected at least 10 different images to cluster, the index has 9"),
        (10, "no clusters were found"),  # each of 10 has edges to all others
    ):
        report = cluster_index(two_groups(tmp_path / f"{count}", count))
        assert labels_of(report) == [-1] * count and report.noise == count
        assert report.notes[0].startswith(note)
    assert [call["k"] for call in layouts.calls] == [9]


def test_clusters_are_saved_under_their_names(tmp_path: Path, layouts: Layouts) -> None:
    path = two_groups(tmp_path / "index", 60)
    assert [c.name for c in cluster_index(path).clusters] == ["cluster 0", "cluster 1"]
    report = cluster_index(path, name_by="label")
    names = tuple(c.name for c in report.clusters)
    assert names == ("0 and 1", "0 and 1 2"), "ten images each of the folders 0, 1 and 2"
    with IndexReader(path) as index:
        saved = read_clusters(index)
    assert saved is not None and saved.names == names
    assert saved.labels.tolist() == saved.nearest.tolist() == [0] * 30 + [1] * 30
    assert saved.strengths.tolist() == [1] * 60


def test_the_name_source_is_compared_by_value(tmp_path: Path, layouts: Layouts) -> None:
    with pytest.raises(ModelMismatch):
        cluster_index(two_groups(tmp_path / "index", 10), name_by="".join(("image", "net")))
    assert layouts.calls == []


def made_report(folder: Path) -> ClusterReport:
    """Six photos that are on disk: three in cluster 0, one in cluster 1 and two noise points."""
    members = []
    for number, (cluster, strength) in enumerate(
        [(0, 0.5), (1, 1.0), (-1, 0.2), (0, 0.75), (-1, 0.6), (0, 0.5)]
    ):
        photo = folder / f"{number}.jpg"
        photo.write_bytes(b"GIF8 %d" % number)
        members.append(Member(photo, cluster, max(cluster, 0), strength))
    found = [
        Cluster(number, name, size, 0.1, (), (), ())
        for number, name, size in ((0, "cats/dogs", 3), (1, "cars", 1))
    ]
    return ClusterReport(folder, tuple(found), tuple(members), 2, 5, 0.5, 0)


@pytest.mark.parametrize("copy", [True, False])
def test_folders_list_the_strongest_members_first(tmp_path: Path, copy: bool) -> None:
    report = made_report(tmp_path)
    target = tmp_path / "folders"
    folders = write_cluster_folders(report, target, copy=copy)
    assert [folder.name for folder in folders] == ["000 cats-dogs", "001 cars", "noise"]
    assert {str(p.relative_to(target)): p.read_bytes() for p in target.glob("*/*")} == {
        "000 cats-dogs/00001 3.jpg": b"GIF8 3",
        "000 cats-dogs/00002 0.jpg": b"GIF8 0",
        "000 cats-dogs/00003 5.jpg": b"GIF8 5",
        "001 cars/00001 1.jpg": b"GIF8 1",
        "noise/00001 4.jpg": b"GIF8 4",
        "noise/00002 2.jpg": b"GIF8 2",
    }
    assert {p.is_symlink() for p in target.glob("*/*")} == {not copy}


def test_members_are_written_as_a_table(tmp_path: Path) -> None:
    write_members(made_report(tmp_path), tmp_path / "members.csv")
    with open(tmp_path / "members.csv", newline="") as file:
        lines = list(csv.reader(file))
    assert lines[:4] == [
        ["path", "cluster", "name", "nearest", "strength"],
        [str(tmp_path / "0.jpg"), "0", "cats/dogs", "0", "0.5"],
        [str(tmp_path / "1.jpg"), "1", "cars", "1", "1.0"],
        [str(tmp_path / "2.jpg"), "-1", "noise", "0", "0.2"],
    ]
