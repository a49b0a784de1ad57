"""What goes wrong is one clear line and an exit code, and loses nothing."""

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import embedtool, fails

from embedtool.store.writer import Writer


@pytest.mark.slow
def test_bad_input_is_one_clear_line(index: Path, drawn: Path, tmp_path: Path) -> None:
    fails(1, "embedtool index PHOTOS", "search", tmp_path, drawn / "fish" / "fish-01.jpg")
    fails(1, "does not exist", "index", tmp_path / "nothing", "--index", tmp_path / "i")
    empty = tmp_path / "empty"
    empty.mkdir()
    fails(1, "found no image", "index", empty, "--index", tmp_path / "i")
    assert not (tmp_path / "i").exists()
    fails(1, "cannot use the query image", "search", index, tmp_path / "gone.jpg")
    fails(1, "cannot use the query image", "search", index, drawn / "sunset" / "cut off.jpg")
    fails(2, "k of at least 1", "search", index, drawn / "fish" / "fish-01.jpg", "-k", 0)
    fails(2, "at least one query", "search", index)
    fails(2, "indexed image, from 1, received 999:", "search", index, "--row", 999)
    fails(2, "indexed image, from 1, received 9999", "search", index, "--row", "9" * 30)
    fails(1, "this is a folder", "search", index, "--row", 1, "--html", tmp_path)
    for limit in ("few", "nan", "-1", "%"):
        fails(2, "--max-rejects", "index", drawn, "--index", index, f"--max-rejects={limit}")
    fails(2, "received 'resnet'", "index", drawn, "--index", tmp_path / "i", "--model", "resnet")
    fails(2, "runtime", "index", drawn, "--index", tmp_path / "i", "--model", "builtin",
            "--runtime", "onnx")  # fmt: skip
    done = embedtool("indx")
    assert done.code == 2 and "indx" in done.err
    fails(2, "--seed", "cluster", index, "--seed", -1)
    fails(2, "--seed", "map", index, "--seed", 2**32)
    fails(2, "name the same file", "map", index, "--html", tmp_path / "m", "--png", tmp_path / "m")
    fails(2, "from -1 to 1", "search", index, "--row", 1, "--min-similarity", "nan")
    fails(1, "does not exist", "search", index, "--row", 1, "--html", tmp_path / "no" / "p")


def test_a_folder_of_other_files_becomes_no_index(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    line = ("index", drawn, "--index", tmp_path, "--model", "builtin")
    fails(1, "holds other files (notes.txt)", *line)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_locked_index_exits_4(index: Path, drawn: Path) -> None:
    with Writer(index):
        fails(4, "another embedtool", "index", drawn, "--index", index)
        assert embedtool("search", index, "--row", 1).code == 0


def test_a_damaged_index_exits_3(index: Path, drawn: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(index, broken)
    segment = broken / "vectors" / "000001.npy"
    data = bytearray(segment.read_bytes())
    data[-1] ^= 1
    segment.write_bytes(data)
    fails(3, "is damaged", "search", broken, "--row", 1)
    done = embedtool("verify", broken)
    assert done.code == 3 and "000001.npy" in done.err


def test_a_full_disk_is_one_line_and_loses_nothing(drawn: Path, tmp_path: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    index = tmp_path / "index"
    first = drawn / "fish"
    assert embedtool("index", first, "--index", index, "--model", "builtin").code == 0
    done = subprocess.run(
        [sys.executable, "-m", "embedtool", "index", drawn, "--index", index],
        capture_output=True,
        preexec_fn=small_files,
        check=False,
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr and b"error: " in done.stderr
    assert json.loads(embedtool("info", index, "--json").out)["images"] == 3
    assert json.loads(embedtool("verify", index, "--json").out)["intact"] is True
    report = json.loads(embedtool("index", drawn, "--index", index, "--json").out)
    assert (report["added"], report["unchanged"]) == (33, 3)


def test_an_unwritable_folder(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        done = embedtool("index", drawn, "--index", place, "--model", "builtin")
        assert done.code == 1 and done.err.startswith("error: ") and done.err.count("\n") == 1
