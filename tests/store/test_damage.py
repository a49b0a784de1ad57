"""A damaged segment or catalogue is reported, never searched."""

from pathlib import Path

import numpy as np
import pytest
from support.indexes import fill

from embedtool.errors import IndexDamaged
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer


@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "lose"])
def test_a_damaged_segment_is_never_searched(index: Path, damage: str) -> None:
    fill(index, 20)
    file = index / "vectors" / "000001.npy"
    data = bytearray(file.read_bytes())
    if damage == "flip":
        data[1000] ^= 4
    elif damage == "cut":
        data = data[:-2]
    elif damage == "grow":
        data += b"\0\0"
    file.unlink()
    if damage != "lose":
        file.write_bytes(data)
    with IndexReader(index) as opened, opened.snapshot():
        with pytest.raises(IndexDamaged, match=r"000001\.npy"):
            list(opened.blocks())
        assert len(opened.verify()) == 1


def test_a_damaged_catalogue_is_reported(index: Path) -> None:
    fill(index, 2000)
    data = bytearray((index / "catalog.sqlite").read_bytes())
    data[8192:40000] = np.random.default_rng(0).bytes(40000 - 8192)
    (index / "catalog.sqlite").write_bytes(data)
    with pytest.raises(IndexDamaged, match=r"catalog\.sha256"):
        IndexReader(index)
    (index / "catalog.sha256").unlink()  # as a killed writer leaves it: no seal of this state
    with pytest.raises(IndexDamaged), IndexReader(index) as opened, opened.snapshot():
        list(opened.rows())
        list(opened.blocks())


@pytest.mark.parametrize("opening", [IndexReader, Writer])
def test_a_schema_that_is_no_text_is_reported(index: Path, opening: type[IndexReader]) -> None:
    """SQLite quotes it in its message, which Python then cannot decode."""
    file = index / "catalog.sqlite"
    data = file.read_bytes()
    assert b"NOT NULL REFERENCES segments" in data
    file.write_bytes(data.replace(b"NULL REFERENCES segments", b"NULL REF\xecRENCES segments"))
    with pytest.raises(IndexDamaged, match=r"catalog\.sqlite"):
        opening(index)
