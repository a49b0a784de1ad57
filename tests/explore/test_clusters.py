"""Clusters: found, chosen without labels, saved in the index, shown, copied into folders."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import adjusted_mutual_info_score
from support.command import embedtool_here as embedtool
from support.vectors import DIM, cloud, collection, commit, drop_every

from embedtool import cluster_index, find_outliers, search_photos
from embedtool.collection.inspect import verify_index
from embedtool.core.types import unit_rows
from embedtool.errors import IndexLocked, UsageError
from embedtool.explore.cluster_folders import write_cluster_folders
from embedtool.explore.hdbscan_cut import cluster, modularity
from embedtool.explore.noise_assignment import assign_noise
from embedtool.images.drawn import draw_photos
from embedtool.store.cluster_labels import read_clusters
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer


def families(count: int, seed: int, spread: float = 0.35) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows around six directions, the first twice as many as the last, and which is whose."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(6, DIM))
    own = np.sort(random.choice(6, count, p=np.array([4, 4, 3, 3, 2, 2]) / 18))
    return unit_rows(centres[own] + random.normal(size=(count, DIM)) * spread * 2), own


def near(points: np.ndarray, k: int) -> np.ndarray:
    away = ((points[:, None] - points[None]) ** 2).sum(2)
    np.fill_diagonal(away, np.inf)
    return np.argsort(away, axis=1)[:, :k].astype(np.int32)


def test_blobs_are_found_and_detail_cuts_them_finer_and_coarser() -> None:
    random = np.random.default_rng(0)
    corners = np.array([[0, 0], [0, 8], [8, 0], [8.0, 8]]).repeat([90, 80, 70, 60], axis=0)
    points = (corners + random.normal(size=corners.shape)).astype(np.float32)
    own = np.arange(4).repeat([90, 80, 70, 60])
    indices = near(points, 15)
    found = cluster(points, indices)
    assert adjusted_mutual_info_score(own, found.nearest) > 0.9
    assert found.labels.max() >= 3
    sizes = np.bincount(found.labels[found.labels >= 0])
    assert (np.diff(sizes) <= 0).all(), "the largest first"
    inside = found.labels >= 0
    assert (found.nearest[inside] == found.labels[inside]).all()
    assert (found.nearest >= 0).all()
    assert ((found.strengths >= 0) & (found.strengths <= 1)).all()
    finer = cluster(points, indices, detail=3)
    coarser = cluster(points, indices, detail=0.2)
    assert finer.labels.max() >= found.labels.max() >= coarser.labels.max()
    assert finer.min_cluster_size < found.min_cluster_size < coarser.min_cluster_size


def test_a_few_far_groups_do_not_merge_all_the_rest() -> None:
    random = np.random.default_rng(0)
    centres = [(2.3 * (i % 4), 2.3 * (i // 4)) for i in range(12)] + [(1000, 0), (0, 1000)]
    points = np.concatenate([random.normal(centre, 0.5, (200, 2)) for centre in centres])
    found = cluster(points.astype(np.float32), near(points, 15))
    assert np.bincount(found.nearest).max() < 250
    assert adjusted_mutual_info_score(np.repeat(np.arange(14), 200), found.nearest) > 0.9


def test_noise_goes_to_where_most_of_its_neighbours_are() -> None:
    points = np.array([[0.0], [1], [2], [10], [11], [1.2], [9]])
    nearest, votes = assign_noise(points, np.array([0, 0, 0, 1, 1, -1, -1], np.int32))
    assert nearest.tolist() == [0, 0, 0, 1, 1, 0, 0]
    assert votes.tolist() == [1, 1, 1, 1, 1, 0.6, 0.6]
    none = np.full(7, -1, np.int32)
    assert assign_noise(points, none)[0].tolist() == [-1] * 7


def test_modularity_is_what_its_formula_says() -> None:
    indices = np.array([[1, 2], [0, 2], [1, 3], [4, 5], [3, 5], [4, 3]], np.int32)
    labels = np.array([0, 0, 0, 1, 1, 1], np.int32)
    edges = [(i, int(j)) for i in range(6) for j in indices[i]]
    arriving = np.bincount([j for _, j in edges], minlength=6)
    expected = sum(
        ((i, j) in edges) / 12 - 2 / 12 * arriving[j] / 12
        for i in range(6)
        for j in range(6)
        if labels[i] == labels[j]
    )
    assert modularity(indices, labels) == pytest.approx(expected, abs=1e-12)
    assert modularity(indices, np.zeros(6, np.int32)) == pytest.approx(0, abs=1e-12)


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows, own = families(600, 0)
    path = collection(tmp_path_factory.mktemp("six") / "index", rows)
    np.save(path.parent / "own.npy", own)
    return path


@pytest.mark.slow
def test_an_index_is_clustered_named_and_remembers(six: Path) -> None:
    own = np.load(six.parent / "own.npy")
    report = cluster_index(six)
    assert adjusted_mutual_info_score(own, [m.nearest for m in report.members]) > 0.95
    assert sum(c.size for c in report.clusters) + report.noise == 600 == len(report.members)
    assert [c.name for c in report.clusters][:2] == ["cluster 0", "cluster 1"]
    assert cluster_index(six) == report, "the same seed gives the same clusters"
    with IndexReader(six) as index, index.snapshot():
        saved = read_clusters(index)
        rows = np.concatenate([rows for _, rows in index.blocks()])
    assert saved is not None
    assert saved.labels.tolist() == [m.cluster for m in report.members]
    for one in report.clusters:
        inside = np.flatnonzero(saved.labels == one.id)
        medoid = inside[(rows[inside] @ rows[inside].T).mean(1).argmax()]
        assert one.representatives[0] == report.members[medoid].path
        assert one.size == len(inside)
        for some in (one.representatives, one.borderline, one.outliers):
            assert {report.members[i].path for i in inside} >= {*some}
    named = cluster_index(six, name_by="label")
    assert {c.name.split(" ")[0] for c in named.clusters} <= {"0", "1", "2"}
    assert len({c.name for c in named.clusters}) == len(named.clusters)
    [found] = search_photos(six, rows=[1], k=3)
    assert [m.cluster for m in found.matches] == [
        report.members[int(m.path.stem)].cluster for m in found.matches
    ]


def test_what_came_later_is_in_none(six: Path, tmp_path: Path) -> None:
    rows, _ = families(300, 1)
    path = collection(tmp_path / "index", rows[::2])
    cluster_index(path)
    with Writer(path) as writer:
        commit(writer, rows[1::2], 150)
    [found] = search_photos(path, rows=[151], k=1)
    assert found.matches[0].cluster is None


@pytest.mark.parametrize("name", ["neighbours", "layout", "clusters"])
def test_a_damaged_derived_file_is_made_again(tmp_path: Path, name: str) -> None:
    path = collection(tmp_path / "index", families(120, 0)[0])
    before = cluster_index(path)
    [file] = (path / "derived").glob(f"{name}-*.npz")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    [fault] = verify_index(path)
    assert file.name in fault and f"make the file again: embedtool cluster {path}" in fault
    if name == "clusters":
        assert search_photos(path, rows=[1], k=1)[0].matches[0].cluster is None
    assert cluster_index(path) == before
    assert verify_index(path) == []


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_images_are_noted(tmp_path: Path, count: int) -> None:
    path = collection(tmp_path / "index", cloud(max(count, 1), 0))
    if not count:
        with Writer(path) as writer:
            drop_every(writer, 1)
    report = cluster_index(path)
    assert report.clusters == () and report.noise == count
    assert "too few" in report.notes[0]
    assert len(find_outliers(path)) == (5 if count == 5 else 0)
    done = embedtool("cluster", path, "--html", tmp_path / "p.html", "--png", tmp_path / "p.png")
    assert done.code == 0 and "too few" in done.err
    assert embedtool("outliers", path).code == 0


def test_identical_vectors_are_one_cluster(tmp_path: Path) -> None:
    rows = unit_rows(np.ones((90, 8), np.float32))
    report = cluster_index(collection(tmp_path / "index", rows))
    assert [(c.size, c.name) for c in report.clusters] == [(90, "cluster 0")]


def test_arguments_that_cannot_be_meant(six: Path) -> None:
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="detail"):
            cluster_index(six, detail=wrong)
    with pytest.raises(UsageError, match="label"):
        cluster_index(six, name_by="colour")
    with pytest.raises(UsageError, match="at least 1"):
        find_outliers(six, k=0)


def test_outliers_are_what_lies_far_from_all(tmp_path: Path) -> None:
    rows, _ = families(200, 0, spread=0.1)
    odd = unit_rows(np.random.default_rng(5).normal(size=(3, DIM)))
    path = collection(tmp_path / "index", np.concatenate([rows, odd]))
    found = find_outliers(path, k=3)
    assert {int(o.path.stem) for o in found} == {200, 201, 202}
    assert [o.rank for o in found] == [1, 2, 3]
    assert (np.diff([o.score for o in found]) <= 0).all()


def test_a_saved_graph_is_read_while_another_writes(tmp_path: Path) -> None:
    path = collection(tmp_path / "index", cloud(50, 0))
    with Writer(path), pytest.raises(IndexLocked):
        find_outliers(path)
    found = find_outliers(path)
    with Writer(path):
        assert find_outliers(path) == found


def test_photos_that_are_gone_are_missed_in_folders_of_clusters(six: Path, tmp_path: Path) -> None:
    report = cluster_index(six)
    with pytest.warns(UserWarning, match=f"{len(report.members)} photos are not where"):
        write_cluster_folders(report, tmp_path / "folders", copy=True)


@pytest.mark.slow
def test_the_commands(tmp_path: Path) -> None:
    drawn = tmp_path / "photos"
    draw_photos(drawn, per_kind=8)
    index, page, sheet, table = (tmp_path / n for n in ("index", "c.html", "c.png", "c.csv"))
    assert embedtool("index", drawn, "--index", index, "--model", "builtin").code == 0
    done = embedtool(
        *("cluster", index, "--json", "--name-by", "label", "--html", page, "--png", sheet),
        *("--to", table, "--copy", tmp_path / "folders"),
    )
    assert done.code == 0, done.err
    printed = json.loads(done.out)
    assert {"clusters", "assignments", "noise", "seed", "schema"} <= set(printed)
    assert printed["clusters"], "drawn pictures of several kinds fall into groups"
    kinds = {m["path"]: Path(m["path"]).parent.name for m in printed["assignments"]}
    nearest = [m["nearest"] for m in printed["assignments"]]
    assert adjusted_mutual_info_score([*kinds.values()], nearest) > 0.6
    for one in printed["clusters"]:
        inside = [m["path"] for m in printed["assignments"] if m["cluster"] == one["id"]]
        assert len(inside) == one["size"]
        folder = tmp_path / "folders" / f"{one['id']:03} {one['name']}"
        copies = sorted(p.read_bytes() for p in folder.iterdir())
        assert copies == sorted(Path(p).read_bytes() for p in inside)
    with open(table, newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(x["path"], int(x["cluster"])) for x in lines] == [
        (m["path"], m["cluster"]) for m in printed["assignments"]
    ]
    assert page.read_text().count("<section") == len(printed["clusters"])
    with Image.open(sheet) as picture:
        assert picture.width > 1000
    assert embedtool("cluster", index, "--copy", tmp_path / "folders").code == 2
    assert embedtool("cluster", index, "--to", tmp_path / "c.xls").code == 2
    found = json.loads(embedtool("search", index, "--row", "1", "--json").out)["queries"][0]
    own = {m["path"]: m["cluster"] for m in printed["assignments"]}
    assert all(m["cluster"] == own[m["path"]] for m in found["matches"])
    odd = json.loads(embedtool("outliers", index, "-k", "4", "--json").out)["outliers"]
    assert [o["rank"] for o in odd] == [1, 2, 3, 4]
