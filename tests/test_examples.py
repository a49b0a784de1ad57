"""Every example runs as it stands, and is short."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SHORT = ["embed_to_numpy.py", "index_and_search.py", "layers.py", "precision.py"]


def run(name: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", SHORT)
def test_examples_are_short(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) <= 30


def test_index_and_search(drawn: Path, tmp_path: Path) -> None:
    out = run("index_and_search.py", drawn, tmp_path / "index", drawn / "city" / "city-01.jpg")
    assert re.match(r"37 images.*\n1\.000 .*city-01\.jpg\n0\.\d{3} .*city", out)


def test_embed_to_numpy(drawn: Path, tmp_path: Path) -> None:
    import numpy as np

    run("embed_to_numpy.py", drawn, tmp_path / "vectors.npy")
    vectors = np.load(tmp_path / "vectors.npy")
    assert vectors.shape == (37, 1280)
    assert np.allclose((vectors**2).sum(1), 1, atol=1e-5)
    assert len((tmp_path / "vectors.txt").read_text().splitlines()) == 37


def test_precision_on_drawn_pictures(drawn: Path, tmp_path: Path) -> None:
    run("index_and_search.py", drawn, tmp_path / "index", drawn / "city" / "city-01.jpg")
    out = run("precision.py", tmp_path / "index", drawn / "city")
    assert 0.2 <= float(out.split()[-1]) <= 0.3  # 3 of its 10 nearest can be of its kind


def test_layers(drawn: Path) -> None:
    out = run("layers.py", drawn / "city", drawn / "fish")
    assert len(out.splitlines()) == 3


def test_precision_of_the_full_network_on_the_clothing_photos(
    clothing: Path, tmp_path: Path
) -> None:
    from embedtool import index_photos

    report = index_photos(clothing / "train", index=tmp_path / "clothing", model="mobilenet_v2")
    assert report.added + report.duplicates == report.total == 3068
    out = run("precision.py", report.index, clothing / "test", clothing / "validation")
    assert float(out.split()[-1]) >= 0.70
