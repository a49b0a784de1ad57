"""Paths of an imported list that lead to devices, pipes and files without an end."""

import os
from pathlib import Path

import numpy as np
import pytest
from support.command import embedtool_here
from support.imports import save_npy
from support.pictures import encoded, picture

from embedtool import import_vectors

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/pagemap").exists(), reason="this system has no /proc"
)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Thirty photos, and six names of what no photo is. Reading any of these never ends."""
    names = []
    for n in range(30):
        (tmp_path / f"{n:02}.png").write_bytes(encoded(picture(n), "PNG"))
        names.append(f"{n:02}.png")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to("/dev/zero")
    names += ["pipe.jpg", "link.jpg", "/dev/zero", "/dev/random", "/proc/self/pagemap", "/dev/tty"]
    rows = np.random.default_rng(0).normal(size=(3, 16)).repeat(12, 0)
    rows += 0.01 * np.random.default_rng(1).normal(size=rows.shape)
    import_vectors(**save_npy(tmp_path, rows, names), root=tmp_path)
    return tmp_path / "index"


@pytest.mark.parametrize(
    "command",
    [
        "search INDEX --row 36 -k 36 --html OUT.html",
        "cluster INDEX --html OUT.html --png OUT.png --copy OUT",
        "duplicates INDEX --html OUT.html --copy OUT",
        "outliers INDEX",
        "map INDEX --html OUT.html",
        "export INDEX --to OUT.parquet --format embedding-atlas",
        "verify INDEX --deep",
        "doctor INDEX",
    ],
)
def test_no_command_reads_them(command: str, index: Path, tmp_path: Path) -> None:
    if "parquet" in command:
        pytest.importorskip("pyarrow")
    given = command.replace("INDEX", str(index)).replace("OUT", str(tmp_path / "out"))
    done = embedtool_here(*given.split())
    assert done.code in (0, 1, 3, 5), done.err
    assert "Traceback" not in done.err
    page = tmp_path / "out.html"
    if page.exists() and command.startswith("search"):
        text = page.read_text()
        assert text.count("not a regular file") == 6 and text.count("empty file") == 1
    if (tmp_path / "out").exists():
        copied = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        assert all(path.suffix == ".png" or not path.stat().st_size for path in copied)
