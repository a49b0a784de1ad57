"""Two models on the same images."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import embedtool
from test_probe import clouds, make_index

import embedtool as package
from embedtool.errors import UsageError
from embedtool.report.comparison_page import comparison_page
from embedtool.types import unit_rows


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


def test_what_is_better_is_told_with_its_interval(tmp_path: Path) -> None:
    bad, good = two(tmp_path)
    found = package.compare_indexes(bad, good)
    assert (found.images, found.queries) == (150, 150)
    assert found.classes == ("class0", "class1", "class2")
    for one in found.measures:
        assert one.change.value == pytest.approx(one.second.value - one.first.value)
        assert one.change.low > 0.05, (one.name, one.change)
    back = package.compare_indexes(good, bad)
    for one, other in zip(found.measures, back.measures, strict=True):
        assert other.change.value == pytest.approx(-one.change.value, abs=0.03)
    assert all(one.second > one.first for one in found.per_class)
    noise = [int(one.path.stem) % 4 == 0 for one in found.moved]
    assert all(noise), "what moved is what was moved"
    assert all(one.label == one.path.parent.name for one in found.moved)


def test_an_index_and_itself_are_equal(tmp_path: Path) -> None:
    _, good = two(tmp_path)
    found = package.compare_indexes(good, good)
    for one in found.measures:
        assert (one.change.low, one.change.value, one.change.high) == (0, 0, 0)
    assert found.overlap.value == 1
    assert max(one.moved for one in found.moved) == pytest.approx(0, abs=1e-5)
    assert all(one.first == one.second for one in found.moved)


def test_indexes_that_share_nothing_are_not_compared(tmp_path: Path) -> None:
    _, good = two(tmp_path)
    rows, _ = clouds(0, 6, 2, 24, 1)
    other = make_index(tmp_path / "else", rows, [f"x/{i}.jpg" for i in range(6)])
    with pytest.raises(UsageError, match="found 0 labelled images in both"):
        package.compare_indexes(good, other)


def test_the_command_its_json_and_its_page(tmp_path: Path) -> None:
    bad, good = two(tmp_path, 60)
    page = tmp_path / "page.html"
    done = embedtool("compare", bad, good, "--json", "--html", page)
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert (said["schema"], said["models"]) == (1, ["imported:bad", "imported:good"])
    names = [one["name"] for one in said["measures"]]
    assert names == ["probe accuracy", "k-NN accuracy", "precision@10", "mAP"]
    first = said["measures"][0]
    assert first["change"] == pytest.approx(first["values"][1] - first["values"][0])
    text = page.read_text()
    assert "imported:bad and imported:good" in text
    assert f"<b>{first['values'][1]:.3f}</b>" in text
    assert "http" not in text.replace("file://", ""), "nothing is fetched"
    assert comparison_page(package.compare_indexes(bad, good)) == text
