"""Tables of any names."""

import os
from pathlib import Path

import pytest

from embedtool.core.tables import write_table


def test_classes_of_folders_that_are_not_utf_8_go_into_parquet(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    write_table(tmp_path / "t.parquet", ("path", os.fsdecode(b"chap\xe9u")), [("1.jpg", 0.5)])
    assert pq.read_table(tmp_path / "t.parquet").to_pydict() == {
        "path": ["1.jpg"], "chap\N{REPLACEMENT CHARACTER}u": [0.5],
    }  # fmt: skip
