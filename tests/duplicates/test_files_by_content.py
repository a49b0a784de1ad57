"""The files of an index by content, the best first, and the notes on those left out."""

import os
from pathlib import Path

import numpy as np
import pytest
from support.duplicates import File, index_of

from embedtool.core.types import Source, unit_rows
from embedtool.duplicates.files_by_content import Content, read_contents
from embedtool.duplicates.keep_rule import Candidate, KeepRule
from embedtool.errors import UsageError
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer


def contents(index: Path, reference: Path | None = None) -> tuple[list[Content], list[str]]:
    with IndexReader(index) as reader, reader.snapshot():
        rule = KeepRule("original")
        return read_contents(reader, reference, lambda file: rule.order(Candidate(file)))


def names(items: list[Content], root: Path) -> list[list[str]]:
    return [[file.path.relative_to(root).as_posix() for file in item.files] for item in items]


def test_files_of_a_content_are_ordered_and_described(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    same = b"same"
    index = index_of(
        tmp_path,
        *(File("gone", 0, same, 1), File("a young", 0, same, 9), File("b old", 0, same, 5)),
        *(File("other", 90), File("a old", 0, same, 5), File("link", 0, same, 1)),
        File("gone too", 90, b"other"),
        File("ref/young", 0, same, 9),
    )
    for name in ("gone", "gone too"):
        (photos / name).unlink()
    real = photos.parent / "outside"
    os.rename(photos / "link", real)
    (photos / "link").symlink_to(real)
    items, notes = contents(index)
    assert names(items, photos) == [
        ["a old", "b old", "a young", "ref/young", "link", "gone"],
        ["other", "gone too"],
    ]
    assert notes == ["2 files are gone: only their vectors were compared"]
    assert [item.vector for item in items] == [1, 2]
    best, *_, link, gone = items[0].files
    assert [(f.in_reference, f.exists, f.linked) for f in (best, link, gone)] == [
        (False, True, False),
        (False, True, True),
        (False, False, False),
    ]
    assert items[0].best is best
    assert best.source == Source(os.fsencode(photos), b"a old", 4, 5 * 10**9)
    assert names(contents(index, photos / "ref")[0], photos)[0][0] == "ref/young"


def test_contents_come_in_the_order_of_their_vectors(tmp_path: Path) -> None:
    index = index_of(tmp_path, File("a", 0), File("b", 90))
    status = os.stat(tmp_path / "photos" / "a")
    again = Source(os.fsencode(tmp_path / "photos"), b"a", status.st_size, status.st_mtime_ns)
    new = b"digest of new content of a file "
    with Writer(index) as writer:
        vectors = [(new, unit_rows(np.ones((1, 2)))[0])]
        writer.commit(vectors=vectors, images=[(again, new)], renames=[], rejects=[])
    items, _ = contents(index)
    assert [(item.vector, item.best.path.name) for item in items] == [(2, "b"), (3, "a")]


def test_a_reference_is_a_folder_not_a_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [File("a/1", 0), File("ab/2", 50), File("b/a/3", 90), File("a/c/4", 120)]
    index = index_of(tmp_path, *files)
    monkeypatch.chdir(tmp_path)
    for reference in (tmp_path / "photos" / "a", Path("photos/a"), Path("photos/b/../a/")):
        items, _ = contents(index, reference)
        assert [item.best.in_reference for item in items] == [True, False, False, True]
    with pytest.raises(UsageError, match=r"photos/a/1' has none of them"):
        contents(index, tmp_path / "photos" / "a" / "1")
    with pytest.raises(UsageError, match=r"/aa' has none of them\. Index it too"):
        contents(index, tmp_path / "photos" / "aa")


def test_changed_files_and_other_names_of_a_file_are_left_out(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    same = b"same"
    index = index_of(
        tmp_path,
        *(File("size", 0), File("time", 30), File("unchanged", 60)),
        *(File(name, 90, same, 5) for name in ("z file", "a hard", "c link", "b copy")),
    )
    (photos / "size").write_text("longer")
    os.utime(photos / "size", (1_600_000_000, 1_600_000_000))
    os.utime(photos / "time", (1, 1))
    for name in ("a hard", "c link"):
        (photos / name).unlink()
    os.link(photos / "z file", photos / "a hard")
    (photos / "c link").symlink_to(photos / "z file")
    items, notes = contents(index)
    assert names(items, photos) == [["unchanged"], ["a hard", "b copy"]]
    assert [item.vector for item in items] == [3, 4]
    changed, links = notes
    assert changed.startswith("2 files were left out, because they have changed")
    assert links == "2 names are links to other files of the index and were left out"
    # In a reference folder is the better name.
    index = index_of(tmp_path / "2", File("ref/z", 0, same), File("a", 0, same))
    photos = tmp_path / "2" / "photos"
    (photos / "a").unlink()
    os.link(photos / "ref" / "z", photos / "a")
    assert names(contents(index, photos / "ref")[0], photos) == [["ref/z"]]
