"""The examples of the library: each runs, prints known values, and is short and typed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import embedtool

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
KINDS = 12  # of drawn pictures


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven pictures of each kind, and a copy of one."""
    folder = tmp_path_factory.mktemp("examples") / "photos"
    embedtool.draw_photos(folder, per_kind=7, jpeg_only=True)
    copied = folder / "city" / "copy of city-01.jpg"
    copied.write_bytes((folder / "city" / "city-01.jpg").read_bytes())
    return folder


def run(name: str, folder: Path, *arguments: object) -> list[str]:
    """Run an example in a folder, and return the lines that it prints."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", ["probe_pipeline.py", "search_in_a_loop.py", "tour.py"])
def test_it_is_short_and_says_how_to_run_it(name: str) -> None:
    text = (EXAMPLES / name).read_text()
    assert len(text.splitlines()) < 40
    assert f"\npython examples/{name} " in text.split('"""')[1]


def test_search_in_a_loop(photos: Path, tmp_path: Path) -> None:
    embedtool.index_photos(photos, index=tmp_path / "index", model="builtin")
    queries = [photos / "fish" / "fish-01.jpg", photos / "city" / "city-02.jpg"]
    first, *lines = run("search_in_a_loop.py", tmp_path, "index", *queries)
    assert first == f"{7 * KINDS + 1} images, builtin"
    assert len(lines) == 2 * (1 + 5)
    for query, title, *matches in zip(queries, *[iter(lines)] * 6, strict=True):
        assert re.fullmatch(rf"{query}: \d+\.\d ms", title)
        assert matches[0] == f"  1.000 {query}"
        similarities = [float(match.split()[0]) for match in matches]
        assert similarities == sorted(similarities, reverse=True) and similarities[-1] > 0.8


@pytest.mark.slow
def test_probe_pipeline(photos: Path, tmp_path: Path) -> None:
    first, second = run("probe_pipeline.py", tmp_path, photos)
    assert first == f"{7 * KINDS + 1} photos, {KINDS} classes, 5 folds"
    found = re.fullmatch(r"accuracy (\S+), standard deviation over the folds (\S+)", second)
    assert found and float(found[1]) > 0.9 and float(found[2]) < 0.1, second


@pytest.mark.slow
def test_tour(photos: Path, tmp_path: Path) -> None:
    lines = run("tour.py", tmp_path, photos)
    count = 7 * KINDS + 1
    table = lines[1 : lines.index(next(line for line in lines if "SearchResult" in line))]
    assert lines[0] == f"<Images: {count} images>"
    assert [line.split() for line in table[:1]] == [["count", "sum"]]
    sizes = {line[:12].strip(): line.split()[-2:] for line in table[2:]}
    of_fish = sum(file.stat().st_size for file in (photos / "fish").iterdir())
    assert len(sizes) == KINDS and sizes["fish"] == ["7", str(of_fish)]
    assert sizes["city"][0] == "8"
    first = photos / "balloons" / "balloons-01.jpg"
    found = lines[1 + len(table) :]
    assert found[0].startswith(f"<SearchResult: 5 images near {first}, similarity 1.0000 to 0.")
    assert re.fullmatch(
        rf"<ClusterResult: \d+ clusters of {count} images, \d+ are noise>", found[1]
    )
    assert found[2] == f"<MapResult: {count} images on a plane>"
    assert re.fullmatch(
        rf"<DuplicateResult: \d+ groups, \d+ of {count} images are redundant>", found[3]
    )
    assert re.match(r"<ProbeResult: probe of 12 classes, accuracy (0\.9|1)", found[4])
    assert len(found) == 5
    assert "</html>" in (tmp_path / "map.html").read_text()
