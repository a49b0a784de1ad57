"""Tables of labels that a stranger crafted: one clear error, or rows that match no image."""

import csv
from pathlib import Path

import numpy as np
import pytest
from support.command import embedtool_here
from support.labelled import labelled_index
from untrusted.audit import only_inside

N = 30
REFUSED: dict[str, bytes] = {
    "empty": b"",
    "no line break": b"x" * (3 << 20),
    "a field without end": b'path,label\n"' + b"x\n" * (1 << 20),
    "a quote within": b'path,label\n"a"b",c\n',
    "a row without a label": b"path,label\na.jpg\n",
    "other columns": b"name,kind\na.jpg,cat\n",
    "a column twice": b"path,path,label\na.jpg,b.jpg,cat\n",
    "a million columns": b",".join([b"x"] * (1 << 20)) + b"\n",
    "a NUL": b"path,label\n\0\0\0",
    "another encoding": "path,label\na.jpg,é\n".encode("utf-16"),
    "a label that is not UTF-8": b"path,label\nclass0/0.jpg,\xff\n",
    "a workbook": b"PK\x03\x04" + bytes(2000),
    "Parquet without an end": b"PAR1" + bytes(2000),
    "Parquet of nothing": b"PAR1" + bytes(4) + b"PAR1",
    "Parquet with a footer of 4 GB": b"PAR1" + bytes(40) + b"\xff\xff\xff\xffPAR1",
    "paths of elsewhere": b"path,label\n/etc/passwd,a\n../../etc/passwd,b\n",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_index(tmp_path_factory.mktemp("labelled"), N)


@pytest.mark.parametrize("case", REFUSED)
def test_a_table_that_is_not_ours_is_refused(case: str, index: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_bytes(REFUSED[case])
    if case.startswith("Parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / "made").mkdir()
    with only_inside(tmp_path / "made"):
        out = ("--out", tmp_path / "made" / "probe")
        done = embedtool_here("probe", "train", index, "--labels", table, *out)
    assert done.code in (1, 2) and done.out == "", done.err
    *_, last = done.err.splitlines()
    assert last.startswith("error: ") and "Traceback" not in done.err
    assert not any((tmp_path / "made").iterdir())


@pytest.mark.parametrize("values", ["numbers", "lists", "bytes", "dates", "null"])
def test_parquet_of_other_types(values: str, index: Path, tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {
        "numbers": pa.array(np.arange(N)),
        "lists": pa.array([["a"]] * N),
        "bytes": pa.array([b"\xff"] * N),
        "dates": pa.array(np.arange(N), pa.timestamp("ns")),
        "null": pa.nulls(N),
    }
    paths = pa.array([f"class{i % 3}/{i}.jpg" for i in range(N)])
    for table in (
        {"path": paths, "label": columns[values]},
        {"path": columns[values], "label": paths},
    ):
        pq.write_table(pa.table(table), tmp_path / "labels.parquet")
        out = ("--out", tmp_path / "probe")
        done = embedtool_here(
            "probe", "train", index, "--labels", tmp_path / "labels.parquet", *out
        )
        assert done.code in (0, 1, 2), done.err
        assert "Traceback" not in done.err


def test_formulas_in_our_own_table_read_back(index: Path, tmp_path: Path) -> None:
    labels = ["=1+1", "'@", "-2", "+", "\tx", "plain"]
    with open(tmp_path / "labels.csv", "w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["path", "label"])
        lines.writerows([f"class{i % 3}/{i}.jpg", f"'{labels[i % 6]}"] for i in range(N))
    out = ("--out", tmp_path / "probe")
    done = embedtool_here("probe", "train", index, "--labels", tmp_path / "labels.csv", *out)
    assert done.code == 0, done.err
    to = ("--to", tmp_path / "predicted.csv")
    assert embedtool_here("probe", "predict", index, "--probe", tmp_path / "probe", *to).code == 0
    with open(tmp_path / "predicted.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert header[4:] == [f"p:{name}" for name in sorted([*labels[:5], "'plain"])]
    assert {row[1] for row in rows} <= {*(f"'{name}" for name in labels[:5]), "'plain"}
