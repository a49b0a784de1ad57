"""Rows come back as they were committed, and a row that differs is never returned."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support.indexes import RECIPE, fill

from embedtool.errors import IndexDamaged, IndexTooNew, NotAnIndex
from embedtool.store.reader import IndexReader
from embedtool.store.segments import to_float32
from embedtool.store.writer import Writer


def test_rows_come_back_as_they_were_committed(index: Path) -> None:
    rows = np.vstack([fill(index, 5), fill(index, 3, 5)])
    with IndexReader(index) as opened, opened.snapshot():
        found = [block for _, block in opened.blocks()]
        assert [len(block) for block in found] == [5, 3]
        assert np.abs(np.vstack(found) - rows).max() < 1e-3  # float16 on disk
        assert np.allclose((np.vstack(found) ** 2).sum(1), 1, atol=1e-6)
        assert opened.recipe == RECIPE and opened.fingerprint == RECIPE.fingerprint
        path, vector = opened.image(7) or pytest.fail("no row 7")
        assert path == Path("/r/000006") and np.allclose(vector[0], found[1][1])
        assert opened.image(99) is None
        stored = opened.image_at("/r/000002")
        assert stored and np.allclose(stored[1][0], found[0][2])


def test_every_finite_half_is_widened_to_the_bit() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = halves[np.isfinite(halves)]
    assert (to_float32(finite).view(np.uint32) == finite.astype(np.float32).view(np.uint32)).all()


def test_what_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(NotAnIndex, match="embedtool index"):
        IndexReader(tmp_path)
    (tmp_path / "catalog.sqlite").write_bytes(b"")
    with pytest.raises(NotAnIndex):
        IndexReader(tmp_path)
    (tmp_path / "catalog.sqlite").write_bytes(b"not SQLite at all" * 100)
    with pytest.raises(IndexDamaged):
        IndexReader(tmp_path)
    with pytest.raises(NotAnIndex):
        Writer(tmp_path / "nowhere")


def test_a_newer_format_is_refused(index: Path) -> None:
    with closing(sqlite3.connect(index / "catalog.sqlite")) as db:
        db.execute("PRAGMA user_version = 3")
    with pytest.raises(IndexTooNew, match=r"format 3.*up to 2"):
        IndexReader(index)


def test_a_wrong_row_is_found_without_reading_the_others(index: Path) -> None:
    fill(index, 20)
    file = index / "vectors" / "000001.npy"
    data = bytearray(file.read_bytes())
    data[-1] ^= 4  # in row 20
    file.write_bytes(data)
    with IndexReader(index) as opened:
        assert opened.image(19)
        with pytest.raises(IndexDamaged, match=r"row 19 of .*000001\.npy"):
            opened.image(20)


def test_a_segment_of_which_many_rows_are_read_is_checked_whole(index: Path) -> None:
    rows = fill(index, 20)
    with IndexReader(index) as opened:
        places = opened.places_after(0)
        file = index / "vectors" / "000001.npy"
        data = bytearray(file.read_bytes())
        data[-1] ^= 4  # in row 20
        file.write_bytes(data)
        for _ in range(2):
            assert np.abs(opened.rows_at(places[:10]) - rows[:10]).max() < 1e-3
        with pytest.raises(IndexDamaged, match="SHA-256 differs"):
            opened.rows_at(places[:1])
    with IndexReader(index) as opened:
        opened.expect_reads(places[:19])
        assert opened.rows_at(places[:1]).shape == (1, rows.shape[1])
    with IndexReader(index) as opened:
        opened.expect_reads(places)
        with pytest.raises(IndexDamaged, match="SHA-256 differs"):
            opened.rows_at(places[:1])


def test_a_reader_sees_one_version_while_a_writer_commits(index: Path) -> None:
    fill(index, 4)
    with IndexReader(index) as reader:
        with reader.snapshot():
            before = reader.counts()
        fill(index, 4, 4)
        with reader.snapshot():
            assert (before["images"], reader.counts()["images"]) == (4, 8)
            assert sum(len(ids) for ids, _ in reader.blocks()) == 8
