"""Labels: from the names of folders, and from tables."""

import csv
from pathlib import Path

import pytest
from support.labelled import clouds, labelled_index, make_index
from support.pictures import picture, save

import embedtool as package
from embedtool.classification.labels import UNLABELLED, read_labels
from embedtool.errors import EmbedtoolError
from embedtool.store.reader import IndexReader


def test_labels_are_the_names_of_folders(tmp_path: Path) -> None:
    rows, _ = clouds(0, 4, 2, 8, 1)
    index = make_index(tmp_path, rows, ["b/1.jpg", "a/2.jpg", "b/3.jpg", "ä/4.jpg"])
    with IndexReader(index) as opened:
        found = read_labels(opened)
    assert found.classes == ("a", "b", "ä")
    assert found.labels.tolist() == [1, 0, 1, 2]
    assert found.report.classes == {"a": 1, "b": 2, "ä": 1}
    assert found.report.notes() == []


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_labels_of_a_table(tmp_path: Path, kind: str) -> None:
    rows, _ = clouds(0, 5, 2, 8, 1)
    index = make_index(tmp_path, rows, ["x/1.jpg", 'x/2, "two".jpg', "x/3.jpg", "4.jpg", "5.jpg"])
    (tmp_path / "tables").mkdir()
    table = tmp_path / "tables" / f"labels.{kind}"
    lines = [
        (str(tmp_path / "x" / "1.jpg"), "dog"),  # absolute
        ('../x/2, "two".jpg', "cat, big"),  # relative to the table
        ("x/3.jpg", "dog"),  # relative to the root
        ("4.jpg", "cat, big"),
        ("4.jpg", "dog"),  # two labels
        ("5.jpg", ""),
        ("6.jpg", "dog"),  # no such image
    ]
    if kind == "csv":
        with open(table, "w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("path", "label"))
            writer.writerows(lines)
    else:
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        paths, labels = zip(*lines, strict=True)
        pq.write_table(pa.table({"label": labels, "path": paths}), table)
    with IndexReader(index) as opened:
        found = read_labels(opened, table)
    assert found.classes == ("cat, big", "dog")
    assert found.labels.tolist() == [1, 0, 1, UNLABELLED, UNLABELLED]
    [conflict] = found.report.conflicts
    assert (conflict.paths, conflict.labels) == ((tmp_path / "4.jpg",), ("cat, big", "dog"))
    assert found.report.unmatched == ("6.jpg",)
    assert (found.report.labelled, found.report.classes) == (3, {"cat, big": 1, "dog": 2})
    first, second, third = found.report.notes()
    assert first == "2 of 5 images have no label"
    assert second.startswith("1 pictures have several labels")
    assert third.endswith("The first is 6.jpg")


def test_a_table_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    index = make_index(tmp_path, clouds(0, 2, 1, 8, 1)[0], ["1.jpg", "2.jpg"])
    table = tmp_path / "labels.csv"
    table.write_bytes("path,label\n1.jpg,hat\n2.jpg,chapéu\n".encode("latin-1"))
    with IndexReader(index) as opened:
        with pytest.raises(
            EmbedtoolError, match=r"line 3: expected a label in UTF-8, received b'chap"
        ):
            read_labels(opened, table)
        table.write_text("path,label\n1.jpg,hat\n", "utf-16")
        with pytest.raises(EmbedtoolError, match="CSV in UTF-8, with commas"):
            read_labels(opened, table)
        table.write_bytes(b"")
        with pytest.raises(EmbedtoolError, match="received nothing"):
            read_labels(opened, table)


def test_copies_with_two_labels_are_a_conflict(tmp_path: Path) -> None:
    save(tmp_path / "photos" / "a" / "1.png", picture(1))
    save(tmp_path / "photos" / "b" / "1.png", picture(1))
    save(tmp_path / "photos" / "b" / "2.png", picture(2))
    index = package.index_photos(
        tmp_path / "photos", index=tmp_path / "index", model="builtin"
    ).index
    with IndexReader(index) as opened:
        found = read_labels(opened)
    assert found.contents.tolist() == [0, 0, 1]
    assert found.labels.tolist() == [UNLABELLED, 0]
    [conflict] = found.report.conflicts
    assert [path.parent.name for path in conflict.paths] == ["a", "b"]
    assert conflict.labels == ("a", "b")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,label\nnowhere.jpg,dog\n", "none of the 1 paths in"),
        ("path,label\n", "no row of"),
        (
            "file,class\n1.jpg,dog\n",
            "columns path and label (CSV in UTF-8, with commas), received 'file, class'",
        ),
        ("", "expected the columns path and label (CSV in UTF-8, with commas), received nothing"),
        ("path,label\n1.jpg\n", "line 2: expected a path and a label"),
        ('path,label\n"1.jpg,dog\n', "cannot be read as CSV"),
        ("PAR1 and no more", "cannot be read as Parquet"),
    ],
)
def test_a_table_that_cannot_serve_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    index = labelled_index(tmp_path / "made", 6)
    (tmp_path / "labels.csv").write_text(text)
    with IndexReader(index) as opened, pytest.raises(EmbedtoolError) as caught:
        read_labels(opened, tmp_path / "labels.csv")
    assert said in str(caught.value)
