"""Tables of any names."""

import csv
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from embedtool.core.tables import text_of_cell, write_table


def test_classes_of_folders_that_are_not_utf_8_go_into_parquet(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    write_table(tmp_path / "t.parquet", ("path", os.fsdecode(b"chap\xe9u")), [("1.jpg", 0.5)])
    assert pq.read_table(tmp_path / "t.parquet").to_pydict() == {
        "path": ["1.jpg"], "chap\N{REPLACEMENT CHARACTER}u": [0.5],
    }  # fmt: skip


FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@x",
    "\t=1",
    "\r=1",
    "\n=1",
    "'=1",
    "''-",
    "'",
    "''",
    "'a",
    "a=1",
    "",
]
TEXTS = st.text(st.sampled_from("'=+-@\t\r\n,\"a ü\udcff")) | st.text()


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5))
@example([(text, text) for text in FORMULAS])
def test_no_text_of_a_csv_is_a_formula_and_all_of_it_reads_back(
    rows: list[tuple[str, str]],
) -> None:
    rows = [(own, other) for own, other in rows if encodable(own + other)]
    with TemporaryDirectory() as folder:
        table = Path(folder, "t.csv")
        write_table(table, ("path", "label"), rows)
        with open(table, encoding="utf-8", errors="surrogateescape", newline="") as file:
            cells = list(csv.reader(file))[1:]
        assert not any(cell.startswith(tuple("=+-@\t\r\n")) for row in cells for cell in row)
        assert [tuple(map(text_of_cell, row)) for row in cells] == rows


def encodable(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # no bytes of a file name are decoded to it
        return False
    return True


def test_numbers_are_no_text_and_raw_csv_is_as_it_is(tmp_path: Path) -> None:
    rows = [("=x", -1.5, -2), ("'=x", 1, 2)]
    write_table(tmp_path / "t.csv", ("path", "x", "y"), rows)
    assert (tmp_path / "t.csv").read_bytes() == b"path,x,y\n'=x,-1.5,-2\n''=x,1,2\n"
    write_table(tmp_path / "raw.csv", ("path", "x", "y"), rows, raw_csv=True)
    assert (tmp_path / "raw.csv").read_bytes() == b"path,x,y\n=x,-1.5,-2\n'=x,1,2\n"
