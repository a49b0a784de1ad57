"""The collection on disk: whole or refused."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.indexes import RECIPE, make_index

from embedtool.collection.compact import compact_index
from embedtool.core.types import Source, unit_rows
from embedtool.errors import IndexDamaged, IndexLocked, IndexTooNew, NotAnIndex
from embedtool.store import merge_segments
from embedtool.store.reader import IndexReader
from embedtool.store.segments import widen
from embedtool.store.writer import Writer

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
    with IndexReader(index) as opened, opened.snapshot():
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


def test_every_finite_half_is_widened_to_the_bit() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = halves[np.isfinite(halves)]
    assert (widen(finite).view(np.uint32) == finite.astype(np.float32).view(np.uint32)).all()


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
        IndexReader(tmp_path)
    (tmp_path / "catalog.sqlite").write_bytes(b"")
    with pytest.raises(NotAnIndex):
        IndexReader(tmp_path)
    (tmp_path / "catalog.sqlite").write_bytes(b"not SQLite at all" * 100)
    with pytest.raises(IndexDamaged):
        IndexReader(tmp_path)
    with pytest.raises(NotAnIndex):
        Writer(tmp_path / "nowhere")


def test_a_newer_format_is_refused(index: Path) -> None:
    with closing(sqlite3.connect(index / "catalog.sqlite")) as db:
        db.execute("PRAGMA user_version = 3")
    with pytest.raises(IndexTooNew, match=r"format 3.*up to 2"):
        IndexReader(index)


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


def test_a_damaged_catalogue_is_told(index: Path) -> None:
    fill(index, 2000)
    data = bytearray((index / "catalog.sqlite").read_bytes())
    data[8192:40000] = np.random.default_rng(0).bytes(40000 - 8192)
    (index / "catalog.sqlite").write_bytes(data)
    with pytest.raises(IndexDamaged, match=r"catalog\.sha256"):
        IndexReader(index)
    (index / "catalog.sha256").unlink()  # as a killed writer leaves it: no seal of this state
    with IndexReader(index) as opened, pytest.raises(IndexDamaged), opened.snapshot():
        list(opened.rows())
        list(opened.blocks())


@pytest.mark.parametrize("opening", [IndexReader, Writer])
def test_a_schema_that_is_no_text_is_told(index: Path, opening: type[IndexReader]) -> None:
    """SQLite quotes it in its message, which Python then cannot decode."""
    file = index / "catalog.sqlite"
    data = file.read_bytes()
    assert b"NOT NULL REFERENCES segments" in data
    file.write_bytes(data.replace(b"NULL REFERENCES segments", b"NULL REF\xecRENCES segments"))
    with pytest.raises(IndexDamaged, match=r"catalog\.sqlite"):
        opening(index)


def test_one_flipped_bit_of_a_path_is_told(index: Path) -> None:
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


def test_a_wrong_row_is_told_without_reading_the_others(index: Path) -> None:
    fill(index, 20)
    file = index / "vectors" / "000001.npy"
    data = bytearray(file.read_bytes())
    data[-1] ^= 4  # in row 20
    file.write_bytes(data)
    with IndexReader(index) as opened:
        assert opened.image(19)
        with pytest.raises(IndexDamaged, match=r"row 19 of .*000001\.npy"):
            opened.image(20)


def test_whoever_asks_for_many_rows_has_the_segment_checked_whole(index: Path) -> None:
    rows = fill(index, 20)
    with IndexReader(index) as opened:
        places = opened.places_after(0)
        file = index / "vectors" / "000001.npy"
        data = bytearray(file.read_bytes())
        data[-1] ^= 4  # in row 20
        file.write_bytes(data)
        for _ in range(2):
            assert np.abs(opened.rows_at(places[:10]) - rows[:10]).max() < 1e-3
        with pytest.raises(IndexDamaged, match="SHA-256 differs"):
            opened.rows_at(places[:1])
    with IndexReader(index) as opened:
        opened.expect(places[:19])
        assert opened.rows_at(places[:1]).shape == (1, rows.shape[1])
    with IndexReader(index) as opened:
        opened.expect(places)
        with pytest.raises(IndexDamaged, match="SHA-256 differs"):
            opened.rows_at(places[:1])


def test_an_id_is_never_given_twice(index: Path) -> None:
    fill(index, 3)
    with Writer(index) as writer:
        writer.drop([row.id for row in writer.rows()], [])
    compact_index(index)
    fill(index, 2, 10)
    with IndexReader(index) as opened, opened.snapshot():
        assert [ids.tolist() for ids, _ in opened.blocks()] == [[4, 5]]
        assert [segment.id for segment in opened.segments()] == [2]


def test_compacting_keeps_every_live_row_and_nothing_else(index: Path) -> None:
    rows = np.vstack([fill(index, 5), fill(index, 3, 5), fill(index, 4, 8)])
    with Writer(index) as writer:
        writer.drop([2, 6, 7, 8], [])
    with IndexReader(index) as opened:
        before = {
            id: row.tobytes()
            for ids, block in opened.blocks()
            for id, row in zip(ids, block, strict=True)
        }
    report = compact_index(index)
    assert (report.segments_before, report.segments_after) == (3, 1)
    assert report.bytes_before - report.bytes_after == 4 * DIM * 2 + 2 * 128  # rows and headers
    with IndexReader(index) as opened, opened.snapshot():
        [(ids, block)] = opened.blocks()
        assert ids.tolist() == [1, 3, 4, 5, 9, 10, 11, 12]
        assert {id: row.tobytes() for id, row in zip(ids, block, strict=True)} == before
        assert np.abs(block - rows[ids - 1]).max() < 1e-3
        assert opened.verify() == []
        assert [p.name for p in (index / "vectors").iterdir()] == ["000004.npy"]
    assert compact_index(index).segments_after == 1
    assert [p.name for p in (index / "vectors").iterdir()] == ["000004.npy"], "nothing to do"


def test_large_segments_are_not_joined(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge_segments, "SEGMENT_ROWS", 6)
    for start in (0, 4, 6, 8, 16):
        fill(index, {0: 4, 8: 8, 16: 1}.get(start, 2), start)
    compact_index(index)
    with IndexReader(index) as opened, opened.snapshot():
        assert [segment.rows for segment in opened.segments()] == [2, 8, 1, 6]
        assert sorted(id for ids, _ in opened.blocks() for id in ids) == list(range(1, 18))
        assert opened.verify() == []


@pytest.fixture
def first_format(tmp_path: Path) -> Path:
    """An index that embedtool 0.1 wrote: 5 contents, one copy, one gone image, one reject."""
    return Path(shutil.copytree(Path(__file__).parent / "format-1", tmp_path / "old"))


EXPECTED = {  # path -> (segment, row) of the vector in the first format's files
    "/photos/a.jpg": (1, 0),
    "/photos/b/a.jpg": (1, 1),
    "/photos/copy of a.jpg": (1, 0),
    "/photos/caf\udce9.jpg": (1, 2),
    "/more/c.jpg": (2, 0),
}


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


def test_orphans_of_a_crash_are_swept_by_the_next_writer(index: Path) -> None:
    fill(index, 3)
    for orphan in ("000002.npy", "000002.npy.new"):
        (index / "vectors" / orphan).write_bytes(b"half")
    fill(index, 2, 3)
    assert sorted(p.name for p in (index / "vectors").iterdir()) == ["000001.npy", "000002.npy"]
    with IndexReader(index) as opened:
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


def test_a_reader_sees_one_version_while_a_writer_commits(index: Path) -> None:
    fill(index, 4)
    with IndexReader(index) as reader:
        with reader.snapshot():
            before = reader.counts()
        fill(index, 4, 4)
        with reader.snapshot():
            assert (before["images"], reader.counts()["images"]) == (4, 8)
            assert sum(len(ids) for ids, _ in reader.blocks()) == 8
