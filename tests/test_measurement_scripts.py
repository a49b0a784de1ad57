"""The scripts that measure something for the page of measurements."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from support.labelled import make_index

from embedtool import draw_photos, index_photos
from embedtool.core.types import unit_rows

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
Captured = pytest.CaptureFixture[str]


def printed(
    name: str, arguments: list[object], patch: pytest.MonkeyPatch, captured: Captured
) -> Any:
    """Run an example in this process, and return the JSON that it prints."""
    script = EXAMPLES / name
    patch.setattr(sys, "argv", [str(script), *map(str, arguments)])
    runpy.run_path(str(script))
    return json.loads(captured.readouterr().out.splitlines()[-1])


def pixels(path: Path) -> npt.NDArray[np.int16]:
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"), np.int16)


def test_altered_copies(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = EXAMPLES / "altered_copies.py"
    arguments = [drawn / "city", "--out", tmp_path, "--ways", "mirror", "half", "crop"]
    monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
    runpy.run_path(str(script))
    folders = [drawn, *(tmp_path / name for name in ("0-mirror", "1-half", "2-crop"))]
    original, mirror, half, crop = (pixels(folder / "city" / "city-01.jpg") for folder in folders)
    assert np.abs(mirror - original[:, ::-1]).mean() < 5
    assert half.shape == (original.shape[0] // 2, original.shape[1] // 2, 3)
    assert 0.24 < crop.size / original.size < 0.76


def test_similarity_of_each_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """Classes on three axes, and a large part in common: it hides them from the cosine."""
    random = np.random.default_rng(0)
    rows = 0.5 * random.normal(size=(150, 12)) + 2 * np.eye(12)[np.arange(150) % 3]
    rows += 10 * random.uniform(0.5, 1, (150, 1))  # its share differs by image
    names = [f"pets/class{n % 3}/{n}.jpg" for n in range(150)]
    index = make_index(tmp_path, unit_rows(rows), names)
    arguments: list[object] = [index, "--collections", "pets"]
    found = printed("similarity.py", arguments, monkeypatch, capsys)
    assert (found["name"], found["images"], found["classes"]) == ("pets", 150, 3)
    cosine, mean, few = found["scores"].values()
    assert mean["map"] > cosine["map"] + 0.05 and few["map"] > cosine["map"] + 0.05
    assert 1 / 3 < cosine["precision_at_10"] < mean["precision_at_10"] <= 1
    assert printed("similarity.py", [index], monkeypatch, capsys)["scores"] == found["scores"]


@pytest.mark.slow
def test_scripts_that_measure_an_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    draw_photos(tmp_path / "photos", per_kind=5)
    photos = [tmp_path / "photos" / kind for kind in ("city", "fish", "flower")]
    index = index_photos(photos, index=tmp_path / "index", model="builtin").index
    graph = printed("neighbour_graph.py", [index], monkeypatch, capsys)
    assert (graph["vectors"], graph["recall"]) == (15, 1.0)
    draw_photos(tmp_path / "more", per_kind=12)
    others = [tmp_path / "more" / kind.name for kind in photos]
    test_index = index_photos(others, index=tmp_path / "test", model="builtin").index
    arguments = [index, test_index, "--shots", 3, "--labels", 6, "--seeds", 1]
    accuracies = printed("suggestions.py", arguments, monkeypatch, capsys)
    assert 0.8 < accuracies["no more"] <= 1 and 0.8 < accuracies["suggested"] <= 1
    arguments = [test_index, "--shots", 4, "--splits", 2]
    interval = printed("probe_intervals.py", arguments, monkeypatch, capsys)
    assert (interval["collection"], interval["shots"], interval["contained"]) == ("test", 4, 1.0)
    assert 0.8 < interval["found"] <= 1 and interval["extrapolated"] >= interval["stated"] > 0.7
