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
    assert file.name in fault and f"embedtool cluster {path}" in fault
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
    assert f"10 different images to cluster, the index has {count}" in report.notes[0]
    assert len(find_outliers(path)) == (5 if count == 5 else 0)
    done = embedtool("cluster", path, "--html", tmp_path / "p.html", "--png", tmp_path / "p.png")
    assert done.code == 0 and "at least 10 different images" in done.err
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
    with pytest.warns(UserWarning, match=f"{len(report.members)} photos are no longer at"):
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
