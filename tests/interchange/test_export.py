"""Exports of any format: all or nothing, what may be replaced, which format is written."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.command import embedtool_here as embedtool
from support.exports import COUNT, DIM
from support.indexes import make_index

from embedtool import export_index
from embedtool.core.types import Vectors
from embedtool.errors import EmbedtoolError, UsageError
from embedtool.interchange.export import FORMATS
from embedtool.store.reader import BLOCK_ROWS, IndexReader


def every_format(folder: Path) -> Iterator[tuple[str, Path]]:
    for name in FORMATS:
        yield name, folder / f"{name}.parquet"


def watch_reads(
    monkeypatch: pytest.MonkeyPatch, look: Callable[[IndexReader, Vectors], None]
) -> None:
    real = IndexReader.rows_at

    def rows_at(self: IndexReader, places: np.ndarray) -> Vectors:
        rows = real(self, places)
        look(self, rows)
        return rows

    monkeypatch.setattr(IndexReader, "rows_at", rows_at)


def test_no_more_than_a_block_is_held_and_all_is_of_one_version(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def look(index: IndexReader, rows: Vectors) -> None:
        assert index._db.in_transaction
        sizes.append(len(rows))

    watch_reads(monkeypatch, look)
    for name, to in every_format(tmp_path):
        sizes.clear()
        export_index(index, to, format=name)
        assert max(sizes) <= BLOCK_ROWS and len(sizes) == -(-COUNT // BLOCK_ROWS), name
    for file in ("parquet.parquet", "embedding-atlas.parquet"):
        groups = pq.ParquetFile(tmp_path / file).metadata
        assert max(groups.row_group(n).num_rows for n in range(groups.num_row_groups)) == BLOCK_ROWS


def test_a_failed_export_leaves_nothing_or_the_earlier_one(
    index: Path, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def fail(index: IndexReader, rows: Vectors) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(28, "No space left on device")

    def all_files() -> dict[str, bytes]:
        files = (p for p in tmp_path.rglob("*") if p.is_file())
        return {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in files}

    with monkeypatch.context() as patch:
        watch_reads(patch, fail)
        for name, to in every_format(tmp_path):
            calls = 0
            with pytest.raises(OSError, match="No space"):
                export_index(index, to, format=name)
            assert list(tmp_path.iterdir()) == []
    for name, to in every_format(tmp_path):
        export_index(plain, to, format=name)
    before = all_files()
    with monkeypatch.context() as patch:
        watch_reads(patch, fail)
        for name, to in every_format(tmp_path):
            calls = 0
            with pytest.raises(OSError, match="No space"):
                export_index(index, to, format=name)
    assert all_files() == before


def test_only_an_earlier_export_is_replaced(index: Path, plain: Path, tmp_path: Path) -> None:
    for name, to in every_format(tmp_path / "out"):
        export_index(plain, to, format=name)
        report = export_index(index, to, format=name)
        assert (
            report.rows == COUNT and report.notes[0] == f"the earlier export at {to} was replaced"
        )
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(
        f"{name}.parquet" for name in FORMATS
    )
    for name, to in every_format(tmp_path / "file"):
        to.parent.mkdir(exist_ok=True)
        to.write_bytes(b"mine")
        with pytest.raises(EmbedtoolError, match="already exists"):
            export_index(index, to, format=name)
        assert to.read_bytes() == b"mine"
    for name, to in every_format(tmp_path / "folder"):
        to.mkdir(parents=True)
        (to / "mine.txt").write_text("mine")
        with pytest.raises(EmbedtoolError, match="already exists"):
            export_index(index, to, format=name)
        assert [p.name for p in to.iterdir()] == ["mine.txt"]
    foreign = pa.table({"x": [1]})
    pq.write_table(foreign, tmp_path / "theirs.parquet")
    with h5py.File(tmp_path / "theirs.h5", "w") as book:
        book["x"] = [1]
    for file in ("theirs.parquet", "theirs.h5"):
        with pytest.raises(EmbedtoolError, match="already exists"):
            export_index(index, tmp_path / file)
    (tmp_path / "out" / "npy.parquet" / "my notes.txt").write_text("mine")
    with pytest.raises(EmbedtoolError, match="already exists"):
        export_index(index, tmp_path / "out" / "npy.parquet", format="npy")
    with pytest.raises(EmbedtoolError, match="already exists"):
        export_index(index, index, format="npy")


def test_the_format_is_given_or_follows_from_the_ending(plain: Path, tmp_path: Path) -> None:
    for name, format in (("a.parquet", "parquet"), ("a.HDF5", "ann-benchmarks")):
        assert export_index(plain, tmp_path / name).format == format
    for name, wrong in (("a", None), ("a.npy", None), ("a.parquet", "csv")):
        with pytest.raises(UsageError, match=r"clip-retrieval, parquet, .*--format"):
            export_index(plain, tmp_path / name, format=wrong)
    make_index(tmp_path / "empty")
    for format, to in every_format(tmp_path / "none"):
        with pytest.raises(EmbedtoolError, match="holds no image"):
            export_index(tmp_path / "empty", to, format=format)
        assert not to.exists()


@pytest.mark.parametrize(("library", "to"), [("pyarrow", "a.parquet"), ("h5py", "a.h5")])
def test_a_missing_library_is_named_with_the_line_that_brings_it(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, to: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(EmbedtoolError, match=rf"{library}.*pip install '{library}>="):
        export_index(plain, tmp_path / to)
    assert list(tmp_path.iterdir()) == []
    assert export_index(plain, tmp_path / "npy", format="npy").rows == 200


def test_the_command(plain: Path, tmp_path: Path) -> None:
    done = embedtool("export", plain, "--to", tmp_path / "x.parquet", "--json")
    assert done.code == 0 and done.err == ""
    assert json.loads(done.out) == {
        "schema": 2,
        "path": str(tmp_path / "x.parquet"),
        "format": "parquet",
        "model": "fake",
        "rows": 200,
        "dim": DIM,
        "bytes": (tmp_path / "x.parquet").stat().st_size,
    }
    done = embedtool("export", plain, "--to", tmp_path / "x.parquet")
    assert done.out.splitlines()[3] == "rows\t200"
    assert done.err == f"note: the earlier export at {tmp_path / 'x.parquet'} was replaced\n"
    done = embedtool("export", plain, "--to", tmp_path / "x")
    assert done.code == 2 and done.err.startswith("error: expected a format among clip-retrieval")
