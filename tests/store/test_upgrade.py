"""An index of format 1 is read, and upgraded by a writer."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from support.indexes import fill

from embedtool.core.types import unit_rows
from embedtool.errors import IndexDamaged
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

EXPECTED = {  # path -> (segment, row) of the vector in the first format's files
    "/photos/a.jpg": (1, 0),
    "/photos/b/a.jpg": (1, 1),
    "/photos/copy of a.jpg": (1, 0),
    "/photos/caf\udce9.jpg": (1, 2),
    "/more/c.jpg": (2, 0),
}


@pytest.fixture
def first_format(tmp_path: Path) -> Path:
    """An index that embedtool 0.1 wrote: 5 contents, one copy, one gone image, one reject."""
    return Path(shutil.copytree(Path(__file__).parent / "format-1", tmp_path / "old"))


def test_the_first_format_opens_and_is_upgraded_by_a_writer(first_format: Path) -> None:
    stored = {n: np.load(first_format / "vectors" / f"{n:06d}.npy") for n in (1, 2)}
    for version in (1, 2):
        with IndexReader(first_format) as opened, opened.snapshot():
            assert opened.format == version
            found = {
                str(path): row
                for ids, block in opened.blocks()
                for id, row in zip(ids.tolist(), block, strict=True)
                for path in opened.paths_of(id)
            }
            assert found.keys() == EXPECTED.keys()
            for path, (segment, row) in EXPECTED.items():
                assert (found[path] == unit_rows(stored[segment][row : row + 1])[0]).all()
            assert [(str(r.path), r.reason) for r in opened.rejects()] == [
                ("/photos/bad.jpg", "empty file")
            ]
            image = opened.image_at("/more/c.jpg")
            assert image and (image[1][0] == found["/more/c.jpg"]).all()
            assert opened.verify() == []
        Writer(first_format).close()
    rows = fill(first_format, 1, 77)
    with IndexReader(first_format) as opened, opened.snapshot():
        assert [ids.tolist() for ids, _ in opened.blocks()] == [[1, 2, 3], [4], [5]]
        assert np.abs([*opened.blocks()][2][1] - rows).max() < 1e-3


def test_a_damaged_first_format_is_not_upgraded(first_format: Path) -> None:
    file = first_format / "vectors" / "000002.npy"
    data = bytearray(file.read_bytes())
    data[200] ^= 1
    file.write_bytes(data)
    with pytest.raises(IndexDamaged, match=r"000002\.npy"):
        Writer(first_format)
    with IndexReader(first_format) as opened:
        assert opened.format == 1
        with pytest.raises(IndexDamaged):
            opened.image_at("/more/c.jpg")
