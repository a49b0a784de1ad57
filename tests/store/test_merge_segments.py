"""Compacting merges small segments and drops dead rows."""

from pathlib import Path

import numpy as np
import pytest
from support.indexes import DIM, fill

from embedtool import compact_index
from embedtool.store import merge_segments
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer


def test_compacting_keeps_every_live_row_and_nothing_else(index: Path) -> None:
    rows = np.vstack([fill(index, 5), fill(index, 3, 5), fill(index, 4, 8)])
    with Writer(index) as writer:
        writer.drop([2, 6, 7, 8], [])
    with IndexReader(index) as opened:
        before = {
            id: row.tobytes()
            for ids, block in opened.blocks()
            for id, row in zip(ids, block, strict=True)
        }
    report = compact_index(index)
    assert (report.segments_before, report.segments_after) == (3, 1)
    assert report.bytes_before - report.bytes_after == 4 * DIM * 2 + 2 * 128  # rows and headers
    with IndexReader(index) as opened, opened.snapshot():
        [(ids, block)] = opened.blocks()
        assert ids.tolist() == [1, 3, 4, 5, 9, 10, 11, 12]
        assert {id: row.tobytes() for id, row in zip(ids, block, strict=True)} == before
        assert np.abs(block - rows[ids - 1]).max() < 1e-3
        assert opened.verify() == []
        assert [p.name for p in (index / "vectors").iterdir()] == ["000004.npy"]
    assert compact_index(index).segments_after == 1
    assert [p.name for p in (index / "vectors").iterdir()] == ["000004.npy"], "nothing to do"


def test_large_segments_are_not_merged(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge_segments, "SEGMENT_ROWS", 6)
    for start in (0, 4, 6, 8, 16):
        fill(index, {0: 4, 8: 8, 16: 1}.get(start, 2), start)
    compact_index(index)
    with IndexReader(index) as opened, opened.snapshot():
        assert [segment.rows for segment in opened.segments()] == [2, 8, 1, 6]
        assert sorted(id for ids, _ in opened.blocks() for id in ids) == list(range(1, 18))
        assert opened.verify() == []
