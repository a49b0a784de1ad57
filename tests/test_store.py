"""The collection on disk: whole or refused."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sync import RECIPE, make_index

from embedtool.errors import IndexDamaged, IndexLocked, IndexTooNew, NotAnIndex
from embedtool.store import Index
from embedtool.types import Source, unit_rows
from embedtool.writer import Writer

DIM = 49


@pytest.fixture
def index(tmp_path: Path) -> Path:
    make_index(tmp_path / "index")
    return tmp_path / "index"


def fill(index: Path, count: int, start: int = 0) -> np.ndarray:
    rows = unit_rows(np.random.default_rng(start).normal(size=(count, DIM)))
    sources = [Source(b"/r", b"%06d" % n, n, n) for n in range(start, start + count)]
    digests = [b"%032d" % n for n in range(start, start + count)]
    with Writer(index) as writer:
        writer.commit(
            vectors=list(zip(digests, rows, strict=True)),
            images=list(zip(sources, digests, strict=True)),
            renames=[],
            rejects=[],
        )
    return rows


def test_rows_come_back_as_they_were_committed(index: Path) -> None:
    rows = np.vstack([fill(index, 5), fill(index, 3, 5)])
    with Index(index) as opened, opened.snapshot():
        found = [block for _, block in opened.blocks()]
        assert [len(block) for block in found] == [5, 3]
        assert np.abs(np.vstack(found) - rows).max() < 1e-3  # float16 on disk
        assert np.allclose((np.vstack(found) ** 2).sum(1), 1, atol=1e-6)
        assert opened.recipe == RECIPE and opened.fingerprint == RECIPE.fingerprint
        path, vector = opened.image(7) or pytest.fail("no row 7")
        assert path == Path("/r/000006") and np.allclose(vector[0], found[1][1])
        assert opened.image(99) is None
        stored = opened.image_at("/r/000002")
        assert stored and np.allclose(stored[1][0], found[0][2])


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
        writer.absorb(b"/top")
        assert writer.roots() == [b"/top"]
        assert [(r.root, r.path) for r in writer.rows()] == [
            (b"/top", name + b"/" + name) for name in names
        ]


def test_what_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(NotAnIndex, match="embedtool index"):
        Index(tmp_path)
    (tmp_path / "catalog.sqlite").write_bytes(b"")
    with pytest.raises(NotAnIndex):
        Index(tmp_path)
    (tmp_path / "catalog.sqlite").write_bytes(b"not SQLite at all" * 100)
    with pytest.raises(IndexDamaged):
        Index(tmp_path)
    with pytest.raises(NotAnIndex):
        Writer(tmp_path / "nowhere")


def test_a_newer_format_is_refused(index: Path) -> None:
    with closing(sqlite3.connect(index / "catalog.sqlite")) as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(IndexTooNew, match=r"format 2.*up to 1"):
        Index(index)


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
    with Index(index) as opened, opened.snapshot():
        with pytest.raises(IndexDamaged, match=r"000001\.npy"):
            list(opened.blocks())
        assert len(opened.verify()) == 1


def test_a_damaged_catalogue_is_told(index: Path) -> None:
    fill(index, 2000)
    data = bytearray((index / "catalog.sqlite").read_bytes())
    data[8192:40000] = np.random.default_rng(0).bytes(40000 - 8192)
    (index / "catalog.sqlite").write_bytes(data)
    with Index(index) as opened, pytest.raises(IndexDamaged), opened.snapshot():
        list(opened.rows())
        list(opened.blocks())


def test_orphans_of_a_crash_are_swept_by_the_next_writer(index: Path) -> None:
    fill(index, 3)
    for orphan in ("000002.npy", "000002.npy.new"):
        (index / "vectors" / orphan).write_bytes(b"half")
    fill(index, 2, 3)
    assert sorted(p.name for p in (index / "vectors").iterdir()) == ["000001.npy", "000002.npy"]
    with Index(index) as opened:
        assert opened.verify() == []


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


def test_a_second_writer_is_told_at_once_and_a_dead_one_holds_nothing(index: Path) -> None:
    script = (
        "import sys; from embedtool.writer import Writer; w = Writer(sys.argv[1]); "
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
    with Index(index) as reader:
        assert reader.counts()["images"] == 0
    other.kill()
    other.communicate()
    Writer(index).close()


def test_a_reader_sees_one_version_while_a_writer_commits(index: Path) -> None:
    fill(index, 4)
    with Index(index) as reader:
        with reader.snapshot():
            before = reader.counts()
        fill(index, 4, 4)
        with reader.snapshot():
            assert (before["images"], reader.counts()["images"]) == (4, 8)
            assert sum(len(ids) for ids, _ in reader.blocks()) == 8
