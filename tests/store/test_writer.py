"""One writer, whole commits, and nothing of a crash or of the user's in the way."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.indexes import DIM, fill, make_index

from embedtool import compact_index
from embedtool.core.types import Source, unit_rows
from embedtool.errors import IndexDamaged, IndexLocked, NotAnIndex
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer


@pytest.mark.slow
@given(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=6, unique=True))
@settings(max_examples=30, deadline=None)
def test_paths_are_bytes_through_commit_and_absorb(
    tmp_path_factory: pytest.TempPathFactory, names: list[bytes]
) -> None:
    names = [n for n in names if not set(n) & set(b"\0/") and n not in (b".", b"..")] or [b"x"]
    index = tmp_path_factory.mktemp("store") / "index"
    make_index(index)
    row = unit_rows(np.ones((1, DIM)))[0]
    files = [Source(b"/top/" + name, name, 1, 2) for name in names]
    with Writer(index) as writer:
        writer.commit(
            vectors=[(b"d", row)], images=[(f, b"d") for f in files], renames=[], rejects=[]
        )
        writer.merge_inner_roots(b"/top")
        assert writer.roots() == [b"/top"]
        assert [(r.root, r.path) for r in writer.rows()] == [
            (b"/top", name + b"/" + name) for name in names
        ]


def test_an_id_is_never_given_twice(index: Path) -> None:
    fill(index, 3)
    with Writer(index) as writer:
        writer.drop([row.id for row in writer.rows()], [])
    compact_index(index)
    fill(index, 2, 10)
    with IndexReader(index) as opened, opened.snapshot():
        assert [ids.tolist() for ids, _ in opened.blocks()] == [[4, 5]]
        assert [segment.id for segment in opened.segments()] == [2]


def test_files_that_a_crash_left_are_removed_by_the_next_writer(index: Path) -> None:
    fill(index, 3)
    (index / "derived").mkdir()
    random = "0123456789abcdef" * 2
    orphans = ["vectors/000002.npy", f"vectors/.000002.npy-{random}", f"derived/.map.json-{random}"]
    orphans += [f".catalog.sha256-{random}", f".catalog.sqlite-{random}"]
    orphans += ["vectors/000002.npy.new", "derived/map.json.new", "catalog.sha256.new"]  # of 0.1
    mine = [f".page.html-{random}", "derived/notes.txt", "vectors/.hidden"]
    for name in (*orphans, *mine):
        (index / name).write_bytes(b"half")
    fill(index, 2, 3)
    assert not [name for name in orphans[1:] if (index / name).exists()]
    for name in mine:
        (index / name).unlink()
    assert sorted(p.name for p in (index / "vectors").iterdir()) == ["000001.npy", "000002.npy"]
    with IndexReader(index) as opened:
        assert opened.verify() == []


def test_files_of_the_user_are_never_removed(tmp_path: Path) -> None:
    mine = tmp_path / "art" / "vectors" / "drawing.svg"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(NotAnIndex, match="--index"):
        make_index(tmp_path / "art")
    assert mine.read_text() == "mine"
    make_index(tmp_path / "index")
    (tmp_path / "index" / "vectors" / "notes.txt").write_text("also mine")
    Writer(tmp_path / "index").close()
    assert (tmp_path / "index" / "vectors" / "notes.txt").read_text() == "also mine"


def test_a_folder_named_derived_may_be_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "derived").mkdir()
    (tmp_path / "derived" / "only.jpg").write_text("mine")
    with pytest.raises(NotAnIndex, match=r"holds other files \(only\.jpg\)"):
        make_index(tmp_path)
    assert (tmp_path / "derived" / "only.jpg").read_text() == "mine"


def test_a_commit_is_all_or_nothing(index: Path) -> None:
    fill(index, 3)
    with Writer(index) as writer:
        row = unit_rows(np.ones((1, DIM)))[0]
        with pytest.raises(IndexDamaged):  # an image of a content that is in no segment
            writer.commit(
                vectors=[(b"new", row)],
                images=[(Source(b"/r", b"n", 1, 1), b"unknown")],
                renames=[],
                rejects=[],
            )
        assert writer.counts() == {"images": 3, "vectors": 3, "rejects": 0, "segments": 1}


def test_a_second_writer_is_refused_at_once_and_a_dead_one_holds_no_lock(index: Path) -> None:
    script = (
        "import sys; from embedtool.store.writer import Writer; w = Writer(sys.argv[1]); "
        "print('locked', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(index)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout and other.stdout.readline() == "locked\n"
    with pytest.raises(IndexLocked, match="another embedtool"):
        Writer(index)
    with IndexReader(index) as reader:
        assert reader.counts()["images"] == 0
    other.kill()
    other.communicate()
    Writer(index).close()
