"""The seal finds a changed bit that SQLite does not notice."""

from pathlib import Path

import numpy as np
import pytest
from support.indexes import DIM, fill

from embedtool.core.types import Source, unit_rows
from embedtool.errors import IndexDamaged
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer


def test_one_flipped_bit_of_a_path_is_found(index: Path) -> None:
    fill(index, 3)
    data = bytearray((index / "catalog.sqlite").read_bytes())
    data[data.index(b"000002") + 5] ^= 4
    (index / "catalog.sqlite").write_bytes(data)
    with pytest.raises(IndexDamaged, match=r"catalog\.sha256"):
        IndexReader(index)


def test_a_seal_of_an_earlier_state_says_nothing(index: Path) -> None:
    fill(index, 3)
    old = (index / "catalog.sha256").read_bytes()
    fill(index, 3, 3)
    (index / "catalog.sha256").write_bytes(old)  # the writer was killed before it sealed
    with IndexReader(index) as opened:
        assert opened.counts()["images"] == 6
    Writer(index).close()
    assert (index / "catalog.sha256").read_bytes() != old


def test_pages_that_sqlite_frees_are_sealed_as_they_lie_on_disk(index: Path) -> None:
    with Writer(index) as writer:  # as SQLite is built almost everywhere but on Debian
        writer._db.execute("PRAGMA secure_delete = OFF")
        rows = unit_rows(np.random.default_rng(0).normal(size=(3000, DIM)))
        digests = [b"%032d" % n for n in range(len(rows))]
        writer.commit(
            vectors=list(zip(digests, rows, strict=True)),
            images=[(Source(b"/r", d, 1, 1), d) for d in digests],
            renames=[],
            rejects=[],
        )
        writer.drop([row.id for row in writer.rows() if row.id % 3 == 0 or 500 < row.id < 1500], [])
    with IndexReader(index) as opened:
        assert opened.counts()["images"] == 3000 - 1000 - 666
