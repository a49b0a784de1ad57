"""Exports as npy and for the TensorBoard Projector."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from support.exports import COUNT, check_card, full_path, index_content

from embedtool import export_index
from embedtool.interchange import write_projector


def test_npy(index: Path, plain: Path, tmp_path: Path) -> None:
    report = export_index(index, tmp_path / "npy", format="npy")
    rows, vectors = index_content(index)
    read = np.load(tmp_path / "npy" / "vectors.npy", mmap_mode="r")
    assert read.dtype == np.float32 and np.array_equal(read, vectors)
    assert (tmp_path / "npy" / "paths.txt").read_bytes() == b"".join(
        full_path(r) + b"\0" for r in rows
    )
    assert "NUL" in report.notes[0]
    lines = (tmp_path / "npy" / "images.jsonl").read_text("ascii").splitlines()
    assert json.loads(lines[3]) == {
        "path": os.fsdecode(b"/r/\xff\xfe/caf\xe9.jpg"),
        "root": "/r",
        "size": 3,
        "mtime_ns": -3,
        "sha256": rows[3].digest.hex(),
        "label": os.fsdecode(b"\xff\xfe"),
    }
    assert [os.fsencode(json.loads(line)["path"]) for line in lines] == [full_path(r) for r in rows]
    check_card((tmp_path / "npy" / "embedtool.json").read_bytes(), "npy")
    assert export_index(plain, tmp_path / "plain", format="npy").notes == ()
    names = (tmp_path / "plain" / "paths.txt").read_bytes().splitlines()
    assert names == [full_path(row) for row in index_content(plain)[0]]


def test_projector(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = export_index(index, tmp_path / "all", format="projector")
    assert report.notes == (f"open it with: tensorboard --logdir {tmp_path / 'all'}",)
    _, vectors = index_content(index)
    read = np.loadtxt(tmp_path / "all" / "vectors.tsv", delimiter="\t")
    assert np.abs(read - vectors).max() < 1e-5
    head, *lines = (tmp_path / "all" / "metadata.tsv").read_bytes().decode().split("\n")[:-1]
    assert head == "path\tlabel" and len(lines) == COUNT
    assert lines[4] == "/r\ufffd/two\\nlines.jpg\tr\ufffd" and lines[3] == (
        "/r/\ufffd\ufffd/caf\ufffd.jpg\t\ufffd\ufffd"
    )
    config = (tmp_path / "all" / "projector_config.pbtxt").read_text()
    assert 'tensor_path: "vectors.tsv"' in config and 'metadata_path: "metadata.tsv"' in config

    monkeypatch.setattr(write_projector, "MAX_POINTS", 100)
    drawn = []
    for seed in (0, 0, 1):
        report = export_index(index, tmp_path / "some", format="projector", seed=seed)
        assert report.rows == 100
        said = f"a random sample of 100 of 2,348 images was written (seed {seed})"
        assert said in " ".join(report.notes)
        names = (tmp_path / "some" / "metadata.tsv").read_text("utf-8").split("\n")[1:-1]
        assert names == [line for line in lines if line in names]  # in the order of the ids
        some = np.loadtxt(tmp_path / "some" / "vectors.tsv", delimiter="\t")
        assert np.array_equal(some, read[[lines.index(name) for name in names]])
        drawn.append(names)
    assert drawn[0] == drawn[1] != drawn[2]
