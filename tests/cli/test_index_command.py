"""`index`: lists on stdin, limits on rejects, no network, memory."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.command import embedtool, fails


def test_a_second_run_loads_no_decoder_and_no_model(index: Path, drawn: Path) -> None:
    script = (
        "import sys; from embedtool import index_photos\n"
        "print(index_photos(sys.argv[1], index=sys.argv[2]).unchanged)\n"
        "print('\\n'.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, drawn, index], capture_output=True, check=True, text=True
    )
    assert done.stdout.startswith("37\n")
    modules = set(done.stdout.split())
    assert not modules & {"PIL", "faiss", "ai_edge_litert", "tensorflow", "embedtool.models"}


def test_photo_lists_on_stdin(drawn: Path, tmp_path: Path) -> None:
    names = sorted((drawn / "city").iterdir())
    listed = b"\n".join(map(os.fsencode, [*names, drawn / "gone.jpg"]))
    line = ("index", "-", "--index", tmp_path / "i", "--model", "builtin", "--json")
    done = embedtool(*line, stdin=listed)
    assert json.loads(done.out)["added"] == 3
    assert (
        done.err == f"note: paths from stdin that do not exist: 1, the first is {drawn}/gone.jpg\n"
    )


def test_max_rejects(index: Path, drawn: Path) -> None:
    for limit, code in (("1", 0), ("0", 1), ("5%", 0), ("1%", 1)):
        done = embedtool("index", drawn, "--index", index, "--max-rejects", limit)
        assert done.code == code and "rejected\t1" in done.out
        assert ("--max-rejects" in done.err) == bool(code)


def test_auto_offline_says_what_it_costs(drawn: Path, tmp_path: Path) -> None:
    nowhere: dict[str, Any] = {
        "EMBEDTOOL_CACHE_DIR": str(tmp_path / "cache"),
        "TFHUB_CACHE_DIR": str(tmp_path / "hub"),
        "KERAS_HOME": str(tmp_path / "keras"),
    }
    done = embedtool("index", drawn, "--json", cwd=tmp_path, **nowhere)
    assert done.code == 0 and json.loads(done.out)["model"] == "builtin"
    assert done.err.splitlines()[0].startswith("note: auto: mobilenet_v2 is not cached")
    assert (tmp_path / "indexes" / "photos" / "catalog.sqlite").exists()
    fails(1, "TFHUB_CACHE_DIR", "index", drawn, "--index", tmp_path / "full",
            "--model", "mobilenet_v2", **nowhere)  # fmt: skip


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_number_of_images(clothing: Path, tmp_path: Path) -> None:
    """Peak resident memory of indexing 500 photos and of 3,000, in MB."""
    photos = sorted((clothing / "train").rglob("*.jpg"))

    def peak(count: int) -> float:
        names = tmp_path / f"{count}.txt"
        names.write_text("\n".join(map(str, photos[:count])))
        script = (
            "import re, sys; from embedtool import index_photos\n"
            "report = index_photos(open(sys.argv[1]).read().splitlines(), index=sys.argv[2],\n"
            "                      model='builtin')\n"
            # Not ru_maxrss: that begins at what the process which started this one had.
            "peak = re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1]\n"
            "print(report.total, int(peak) / 1024)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, names, tmp_path / f"index {count}"],
            capture_output=True,
            check=True,
        )
        total, megabytes = done.stdout.split()
        assert int(total) == count
        return float(megabytes)

    few, many = peak(500), peak(3000)
    print(f"peak memory: {few:.0f} MB for 500 photos, {many:.0f} MB for 3,000")
    assert many < few + 40 and many < 1000
