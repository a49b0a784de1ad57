"""Two models on the same images."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score
from support.command import embedtool_here as embedtool
from support.labelled import clouds, make_index

import embedtool as package
from embedtool.core.types import unit_rows
from embedtool.errors import UsageError
from embedtool.report.comparison_page import comparison_page
from embedtool.store.cluster_labels import Clusters, save_clusters
from embedtool.store.writer import Writer


def two(tmp_path: Path, n: int = 150) -> tuple[Path, Path]:
    """An index in which classes are apart, and one of the same images, the other way round, in
    which a quarter of the images is noise."""
    rows, labels = clouds(0, n, 3, 24, 1.5)
    names = [f"class{label}/{i:03}.jpg" for i, label in enumerate(labels)]
    worse = rows + 0.0
    worse[::4] = unit_rows(np.random.default_rng(1).normal(size=worse[::4].shape))
    (tmp_path / "b").mkdir()
    good = make_index(tmp_path, rows, names, model="good")
    np.save(tmp_path / "b" / "rows.npy", worse[::-1])
    (tmp_path / "b" / "names.txt").write_text("\n".join(names[::-1]))
    bad = package.import_vectors(
        tmp_path / "b" / "rows.npy",
        index=tmp_path / "b" / "index",
        paths=tmp_path / "b" / "names.txt",
        root=tmp_path,
        model="bad",
    ).index
    return bad, good


def test_what_is_better_has_its_interval(tmp_path: Path) -> None:
    bad, good = two(tmp_path)
    found = package.compare_indexes(bad, good)
    assert (found.images, found.queries) == (150, 150)
    assert found.classes == ("class0", "class1", "class2")
    for one in found.measures:
        assert one.change.value == pytest.approx(one.second.value - one.first.value)
        assert (one.change.low or 0) > 0.05, (one.name, one.change)
    back = package.compare_indexes(good, bad)
    for one, other in zip(found.measures, back.measures, strict=True):
        # Accuracies are of other folds then: 12 of 150 images may be right in one only.
        noise = 0.08 if "accuracy" in one.name else 1e-6
        assert other.change.value == pytest.approx(-one.change.value, abs=noise)
    assert all(one.second > one.first for one in found.per_class)
    replaced = [int(one.path.stem) % 4 == 0 for one in found.moved]
    assert all(replaced), "what moved is what was moved"
    assert all(one.label == one.path.parent.name for one in found.moved)


def test_an_index_and_itself_are_equal(tmp_path: Path) -> None:
    _, good = two(tmp_path)
    found = package.compare_indexes(good, good)
    for one in found.measures:
        assert one.change.value == 0 and one.change.low is not None
        assert -0.05 < one.change.low == -(one.change.high or 0) < 0
    assert found.overlap.value == 1
    assert max(one.moved for one in found.moved) == pytest.approx(0, abs=1e-5)
    assert all(one.first == one.second for one in found.moved)


def test_indexes_that_share_nothing_are_not_compared(tmp_path: Path) -> None:
    _, good = two(tmp_path)
    rows, _ = clouds(0, 6, 2, 24, 1)
    other = make_index(tmp_path / "else", rows, [f"x/{i}.jpg" for i in range(6)])
    with pytest.raises(UsageError, match="received 0 labelled images in common"):
        package.compare_indexes(good, other)


def save_labels(path: Path, labels: list[int]) -> None:
    """Clusters of the vectors of an index, in the order of their ids."""
    with Writer(path) as writer:
        ids = writer.places_after(0)["id"][: len(labels)]
        own = np.array(labels, np.int32)
        names = tuple(f"cluster {number}" for number in range(max(labels) + 1))
        save_clusters(
            writer, Clusters(ids, np.full_like(own, -1), own, np.ones(len(own), np.float32), names)
        )


def test_agreement_is_scikit_learns_and_of_the_same_images(tmp_path: Path) -> None:
    """The clusters of an image are compared with those of the same image, though the second index
    has them the other way round."""
    bad, good = two(tmp_path, 60)
    random = np.random.default_rng(0)
    first, second = np.arange(60) % 4, np.arange(60) % 4
    second[::5] = random.integers(0, 4, 12)
    assert package.compare_indexes(good, bad).agreement is None
    save_labels(good, first.tolist())
    found = package.compare_indexes(good, bad)
    assert found.agreement is None
    said = "the clusters were not compared, because an index has none. Run: embedtool cluster"
    assert found.notes == (f"{said} {bad}",)
    save_labels(bad, second[::-1].tolist())
    found = package.compare_indexes(good, bad)
    assert found.agreement is not None
    assert found.agreement.ami == pytest.approx(adjusted_mutual_info_score(first, second), abs=1e-9)
    assert found.agreement.ari == pytest.approx(adjusted_rand_score(first, second), abs=1e-9)
    assert (found.agreement.images, found.agreement.counts, found.notes) == (60, (4, 4), ())
    assert "4 in A, 4 in B) agree" in comparison_page(found)
    save_labels(bad, first[::-1].tolist())
    done = embedtool("compare", good, bad, "--json")
    said = json.loads(done.out)["clusters"]
    assert said == {"images": 60, "counts": [4, 4], "ami": pytest.approx(1), "ari": 1}


def test_images_that_came_after_the_clusters_are_not_in_the_agreement(tmp_path: Path) -> None:
    _, good = two(tmp_path, 60)
    save_labels(good, [0, 1] * 25)
    found = package.compare_indexes(good, good)
    assert found.agreement is not None and found.agreement.images == 50
    [note] = found.notes
    assert note.startswith("10 images were indexed after the last clustering")


def test_the_command_its_json_and_its_page(tmp_path: Path) -> None:
    bad, good = two(tmp_path, 60)
    page = tmp_path / "page.html"
    done = embedtool("compare", bad, good, "--json", "--html", page)
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert (said["schema"], said["models"]) == (2, ["imported:bad", "imported:good"])
    names = [one["name"] for one in said["measures"]]
    assert names == ["probe accuracy", "k-NN accuracy", "precision@10", "mAP"]
    first = said["measures"][0]
    assert first["change"] == pytest.approx(first["values"][1] - first["values"][0])
    text = page.read_text()
    assert "imported:bad and imported:good" in text
    assert f"<b>{first['values'][1]:.3f}</b>" in text
    assert "://" not in text.replace("file://", ""), "nothing is fetched"
    assert comparison_page(package.compare_indexes(bad, good)) == text
