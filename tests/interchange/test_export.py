"""Exports, read back with the readers of the programs they are for."""

import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from embedding_reader import EmbeddingReader
from PIL import Image
from support.command import embedtool
from support.exports import COUNT, DIM, ODD, content, fill, full
from support.indexes import RECIPE, make_index
from support.pictures import encoded, picture

from embedtool import export_index
from embedtool.core.types import Source, Vectors, unit_rows
from embedtool.errors import EmbedtoolError, UsageError
from embedtool.interchange import write_ann_benchmarks, write_clip_retrieval, write_projector
from embedtool.interchange.card import read_card
from embedtool.interchange.export import FORMATS
from embedtool.store.layout import Row
from embedtool.store.reader import BLOCK_ROWS, IndexReader
from embedtool.store.writer import Writer


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "index"
    fill(path, COUNT, ODD)
    rows, vectors = content(path)
    assert len(rows) == COUNT and np.array_equal(vectors[1], vectors[10])
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "plain"
    fill(path, 200, {})
    return path


def check_columns(table: pa.Table, rows: list[Row], path: str) -> None:
    paths = [full(row) for row in rows]
    texts = [p.decode("utf-8", "replace") for p in paths]
    assert table[path].to_pylist() == texts
    kept = [None if text.encode() == p else p for text, p in zip(texts, paths, strict=True)]
    assert table["path_bytes"].to_pylist() == kept and any(kept) and not all(kept)
    assert table["root"].to_pylist() == [r.root.decode("utf-8", "replace") for r in rows]
    odd = [None if r.root == b"/r" else r.root for r in rows]
    assert table["root_bytes"].to_pylist() == odd
    assert table["size"].to_pylist() == [r.size for r in rows]
    assert table["mtime"].type == pa.timestamp("ns", "UTC")
    assert table["mtime"].cast(pa.int64()).to_pylist() == [r.mtime_ns for r in rows]
    assert table["sha256"].to_pylist() == [r.digest.hex() for r in rows]
    folders = [os.path.basename(os.path.dirname(p)).decode("utf-8", "replace") for p in paths]
    assert table["label"].to_pylist() == folders


def check_card(text: bytes | str, format: str) -> None:
    card = read_card(text, "the export")
    assert (card.format, card.model, card.recipe, card.dim) == (format, "fake", RECIPE, DIM)
    assert json.loads(text)["fingerprint"] == RECIPE.fingerprint


def test_parquet(index: Path, tmp_path: Path) -> None:
    report = export_index(index, tmp_path / "deep" / "x.parquet")
    rows, vectors = content(index)
    table = pq.read_table(tmp_path / "deep" / "x.parquet")
    assert table.schema.field("vector").type == pa.list_(pa.float32())
    assert np.array_equal(np.array(table["vector"].to_pylist(), np.float32), vectors)
    check_columns(table, rows, "path")
    check_card(table.schema.metadata[b"embedtool"], "parquet")
    assert (report.format, report.model, report.rows, report.dim) == ("parquet", "fake", COUNT, DIM)
    assert report.bytes == report.path.stat().st_size and report.notes == ()
    reader = EmbeddingReader(str(tmp_path / "deep"), "parquet", "vector", ["sha256"])
    [(read, meta)] = list(reader(COUNT, show_progress=False))
    assert np.array_equal(read, vectors)
    assert list(meta["sha256"]) == [row.digest.hex() for row in rows]


@pytest.mark.parametrize("part_rows", [write_clip_retrieval.PART_ROWS, BLOCK_ROWS])
def test_clip_retrieval(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part_rows: int
) -> None:
    monkeypatch.setattr(write_clip_retrieval, "PART_ROWS", part_rows)
    out = tmp_path / "clip"
    report = export_index(index, out, format="clip-retrieval")
    rows, vectors = content(index)
    names = sorted(p.relative_to(out).as_posix() for p in out.rglob("*.*"))
    parts = range(1 if part_rows > COUNT else 3)
    assert names == [
        "embedtool.json",
        *(f"img_emb/img_emb_{n}.npy" for n in parts),
        *(f"metadata/metadata_{n}.parquet" for n in parts),
    ]
    assert report.notes == (() if len(parts) == 1 else ("in 3 parts of up to 1,024 images",))
    stored = vectors.astype(np.float16).astype(np.float32)
    assert np.load(out / "img_emb" / "img_emb_0.npy").dtype == np.float16
    [(read, _)] = list(EmbeddingReader(str(out / "img_emb"))(COUNT, show_progress=False))
    assert np.array_equal(read, stored)
    reader = EmbeddingReader(
        str(out / "img_emb"),
        "parquet_npy",
        meta_columns=["image_path", "label"],
        metadata_folder=str(out / "metadata"),
    )
    [(read, meta)] = list(reader(COUNT, show_progress=False))
    assert np.array_equal(read, stored)
    assert list(meta["image_path"]) == [full(row).decode("utf-8", "replace") for row in rows]
    check_columns(pq.read_table(out / "metadata"), rows, "image_path")
    check_card((out / "embedtool.json").read_bytes(), "clip-retrieval")


def test_many_parts_keep_their_order_by_name(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedtool.interchange.index_rows.BLOCK_ROWS", 128)
    monkeypatch.setattr(write_clip_retrieval, "BLOCK_ROWS", 128)
    monkeypatch.setattr(write_clip_retrieval, "PART_ROWS", 128)
    export_index(index, tmp_path / "clip", format="clip-retrieval")
    names = sorted(p.name for p in (tmp_path / "clip" / "img_emb").iterdir())
    assert names == [f"img_emb_{n:02d}.npy" for n in range(-(-COUNT // 128))]
    read = np.concatenate([np.load(tmp_path / "clip" / "img_emb" / name) for name in names])
    assert np.array_equal(read, content(index)[1].astype(np.float16))


def test_npy(index: Path, plain: Path, tmp_path: Path) -> None:
    report = export_index(index, tmp_path / "npy", format="npy")
    rows, vectors = content(index)
    read = np.load(tmp_path / "npy" / "vectors.npy", mmap_mode="r")
    assert read.dtype == np.float32 and np.array_equal(read, vectors)
    assert (tmp_path / "npy" / "paths.txt").read_bytes() == b"".join(full(r) + b"\0" for r in rows)
    assert "NUL" in report.notes[0]
    lines = (tmp_path / "npy" / "images.jsonl").read_text("ascii").splitlines()
    assert json.loads(lines[3]) == {
        "path": os.fsdecode(b"/r/\xff\xfe/caf\xe9.jpg"),
        "root": "/r",
        "size": 3,
        "mtime_ns": -3,
        "sha256": rows[3].digest.hex(),
        "label": os.fsdecode(b"\xff\xfe"),
    }
    assert [os.fsencode(json.loads(line)["path"]) for line in lines] == [full(r) for r in rows]
    check_card((tmp_path / "npy" / "embedtool.json").read_bytes(), "npy")
    assert export_index(plain, tmp_path / "plain", format="npy").notes == ()
    names = (tmp_path / "plain" / "paths.txt").read_bytes().splitlines()
    assert names == [full(row) for row in content(plain)[0]]


def test_projector(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = export_index(index, tmp_path / "all", format="projector")
    assert report.notes == (f"open it with: tensorboard --logdir {tmp_path / 'all'}",)
    _, vectors = content(index)
    read = np.loadtxt(tmp_path / "all" / "vectors.tsv", delimiter="\t")
    assert np.abs(read - vectors).max() < 1e-5
    head, *lines = (tmp_path / "all" / "metadata.tsv").read_bytes().decode().split("\n")[:-1]
    assert head == "path\tlabel" and len(lines) == COUNT
    assert lines[4] == "/r\ufffd/two\\nlines.jpg\tr\ufffd" and lines[3] == (
        "/r/\ufffd\ufffd/caf\ufffd.jpg\t\ufffd\ufffd"
    )
    config = (tmp_path / "all" / "projector_config.pbtxt").read_text()
    assert 'tensor_path: "vectors.tsv"' in config and 'metadata_path: "metadata.tsv"' in config

    monkeypatch.setattr(write_projector, "LIMIT", 100)
    drawn = []
    for seed in (0, 0, 1):
        report = export_index(index, tmp_path / "some", format="projector", seed=seed)
        assert report.rows == 100
        assert f"a sample of 100 of 2,348 images, seed {seed}" in " ".join(report.notes)
        names = (tmp_path / "some" / "metadata.tsv").read_text("utf-8").split("\n")[1:-1]
        assert names == [line for line in lines if line in names]  # in the order of the ids
        some = np.loadtxt(tmp_path / "some" / "vectors.tsv", delimiter="\t")
        assert np.array_equal(some, read[[lines.index(name) for name in names]])
        drawn.append(names)
    assert drawn[0] == drawn[1] != drawn[2]


def test_embedding_atlas(index: Path, tmp_path: Path) -> None:
    photo = tmp_path / os.fsdecode(b"ph\xf6to.png")
    photo.write_bytes(encoded(picture(1, (400, 300)), "PNG"))
    small = tmp_path / "small"
    make_index(small)
    row = unit_rows(np.ones((1, DIM)))[0]
    with Writer(small) as writer:
        names = [os.fsencode(photo.name), b"gone.jpg"]
        files = [Source(os.fsencode(tmp_path), name, 1, 2) for name in names]
        writer.commit(
            vectors=[(b"d" * 32, row)],
            images=[(file, b"d" * 32) for file in files],
            renames=[],
            rejects=[],
        )
    out = tmp_path / "atlas.parquet"
    report = export_index(small, out, format="embedding-atlas")
    assert report.notes == (
        "1 pictures cannot be read now and have no thumbnail",
        f"open it with: embedding-atlas {out} --vector vector --image image",
    )
    table = pq.read_table(out)
    first, second = table["image"].to_pylist()
    assert Image.open(io.BytesIO(first["bytes"])).size == (128, 96)
    assert second == {"bytes": None, "path": str(tmp_path / "gone.jpg")}
    assert np.array_equal(np.array(table["vector"].to_pylist(), np.float32), np.stack([row, row]))
    with pytest.raises(UsageError, match=r"ends in \.parquet"):
        export_index(small, tmp_path / "atlas", format="embedding-atlas")


def test_ann_benchmarks_neighbours_are_those_of_numpy(index: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.hdf5"
    report = export_index(index, out, seed=3)
    _, vectors = content(index)
    with h5py.File(out) as book:
        train, test = book["train"][:], book["test"][:]
        neighbours, distances = book["neighbors"][:], book["distances"][:]
        assert {k: book.attrs[k] for k in ("type", "distance", "point_type", "dimension")} == {
            "type": "dense",
            "distance": "angular",
            "point_type": "float",
            "dimension": DIM,
        }
        check_card(book.attrs["embedtool"], "ann-benchmarks")
    queries = COUNT // 10
    assert report.notes == (f"test is a sample of {queries} of 2,348 images, seed 3",)
    assert train.shape == (COUNT - queries, DIM) and test.shape == (queries, DIM)
    held_out = np.zeros(COUNT, bool)
    held_out[np.random.default_rng(3).choice(COUNT, queries, replace=False)] = True
    assert np.array_equal(train, vectors[~held_out]) and np.array_equal(test, vectors[held_out])
    exact = 1 - test.astype(float) @ train.astype(float).T
    assert neighbours.shape == (queries, 100) and neighbours.dtype == np.int32
    of_rows = np.take_along_axis(exact, neighbours.astype(int), 1)
    assert np.abs(of_rows - np.sort(exact)[:, :100]).max() < 1e-6
    assert np.abs(distances - of_rows).max() < 1e-6 and (np.diff(distances) >= 0).all()
    assert all(len(set(row)) == 100 for row in neighbours.tolist())


def test_ann_benchmarks_of_few_images(tmp_path: Path) -> None:
    for count, train in ((2, 1), (15, 14)):
        fill(tmp_path / f"{count}", count, {}) if count > 11 else copies(tmp_path / "2", 2)
        export_index(tmp_path / f"{count}", tmp_path / f"{count}.h5")
        with h5py.File(tmp_path / f"{count}.h5") as book:
            assert book["neighbors"].shape == (1, train)
    copies(tmp_path / "1", 1)
    with pytest.raises(EmbedtoolError, match="expected two or more"):
        export_index(tmp_path / "1", tmp_path / "1.h5")
    assert not (tmp_path / "1.h5").exists()


def copies(path: Path, count: int) -> None:
    make_index(path)
    row = unit_rows(np.ones((1, DIM)))[0]
    with Writer(path) as writer:
        files = [Source(b"/r", b"%d" % n, 1, 1) for n in range(count)]
        writer.commit(
            vectors=[(b"d" * 32, row)],
            images=[(file, b"d" * 32) for file in files],
            renames=[],
            rejects=[],
        )


def targets(folder: Path) -> Iterator[tuple[str, Path]]:
    for name in FORMATS:
        yield name, folder / f"{name}.parquet"


def watch(monkeypatch: pytest.MonkeyPatch, look: Callable[[IndexReader, Vectors], None]) -> None:
    real = IndexReader.rows_at

    def rows_at(self: IndexReader, places: np.ndarray) -> Vectors:
        rows = real(self, places)
        look(self, rows)
        return rows

    monkeypatch.setattr(IndexReader, "rows_at", rows_at)


def test_no_more_than_a_block_is_held_and_all_is_of_one_version(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def look(index: IndexReader, rows: Vectors) -> None:
        assert index._db.in_transaction
        sizes.append(len(rows))

    watch(monkeypatch, look)
    for name, to in targets(tmp_path):
        sizes.clear()
        export_index(index, to, format=name)
        assert max(sizes) <= BLOCK_ROWS and len(sizes) == -(-COUNT // BLOCK_ROWS), name
    for file in ("parquet.parquet", "embedding-atlas.parquet"):
        groups = pq.ParquetFile(tmp_path / file).metadata
        assert max(groups.row_group(n).num_rows for n in range(groups.num_row_groups)) == BLOCK_ROWS


def test_a_failed_export_leaves_nothing_or_the_earlier_one(
    index: Path, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(index: IndexReader, rows: Vectors) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(28, "No space left on device")

    def everything() -> dict[str, bytes]:
        files = (p for p in tmp_path.rglob("*") if p.is_file())
        return {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in files}

    with monkeypatch.context() as patch:
        watch(patch, fail)
        for name, to in targets(tmp_path):
            calls = 0
            with pytest.raises(OSError, match="No space"):
                export_index(index, to, format=name)
            assert list(tmp_path.iterdir()) == []
    for name, to in targets(tmp_path):
        export_index(plain, to, format=name)
    before = everything()
    with monkeypatch.context() as patch:
        watch(patch, fail)
        for name, to in targets(tmp_path):
            calls = 0
            with pytest.raises(OSError, match="No space"):
                export_index(index, to, format=name)
    assert everything() == before


def test_only_an_earlier_export_is_replaced(index: Path, plain: Path, tmp_path: Path) -> None:
    for name, to in targets(tmp_path / "out"):
        export_index(plain, to, format=name)
        report = export_index(index, to, format=name)
        assert report.rows == COUNT and report.notes[0] == f"replaced the earlier export at {to}"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(
        f"{name}.parquet" for name in FORMATS
    )
    for name, to in targets(tmp_path / "file"):
        to.parent.mkdir(exist_ok=True)
        to.write_bytes(b"mine")
        with pytest.raises(EmbedtoolError, match="is there already"):
            export_index(index, to, format=name)
        assert to.read_bytes() == b"mine"
    for name, to in targets(tmp_path / "folder"):
        to.mkdir(parents=True)
        (to / "mine.txt").write_text("mine")
        with pytest.raises(EmbedtoolError, match="is there already"):
            export_index(index, to, format=name)
        assert [p.name for p in to.iterdir()] == ["mine.txt"]
    foreign = pa.table({"x": [1]})
    pq.write_table(foreign, tmp_path / "theirs.parquet")
    with h5py.File(tmp_path / "theirs.h5", "w") as book:
        book["x"] = [1]
    for file in ("theirs.parquet", "theirs.h5"):
        with pytest.raises(EmbedtoolError, match="is there already"):
            export_index(index, tmp_path / file)
    (tmp_path / "out" / "npy.parquet" / "my notes.txt").write_text("mine")
    with pytest.raises(EmbedtoolError, match="is there already"):
        export_index(index, tmp_path / "out" / "npy.parquet", format="npy")
    with pytest.raises(EmbedtoolError, match="is there already"):
        export_index(index, index, format="npy")


def test_the_format_is_guessed_or_asked_for(plain: Path, tmp_path: Path) -> None:
    for name, format in (("a.parquet", "parquet"), ("a.HDF5", "ann-benchmarks")):
        assert export_index(plain, tmp_path / name).format == format
    for to, format in (("a", None), ("a.npy", None), ("a.parquet", "csv")):
        with pytest.raises(UsageError, match=r"clip-retrieval, parquet, .*--format"):
            export_index(plain, tmp_path / to, format=format)
    make_index(tmp_path / "empty")
    for format, to in targets(tmp_path / "none"):
        with pytest.raises(EmbedtoolError, match="holds no image"):
            export_index(tmp_path / "empty", to, format=format)
        assert not to.exists()


@pytest.mark.parametrize(("library", "to"), [("pyarrow", "a.parquet"), ("h5py", "a.h5")])
def test_a_missing_library_is_named_with_the_line_that_brings_it(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, to: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(EmbedtoolError, match=rf"{library}.*pip install 'embedtool\[export\]'"):
        export_index(plain, tmp_path / to)
    assert list(tmp_path.iterdir()) == []
    assert export_index(plain, tmp_path / "npy", format="npy").rows == 200


def test_the_command(plain: Path, tmp_path: Path) -> None:
    done = embedtool("export", plain, "--to", tmp_path / "x.parquet", "--json")
    assert done.code == 0 and done.err == ""
    assert json.loads(done.out) == {
        "schema": 1,
        "path": str(tmp_path / "x.parquet"),
        "format": "parquet",
        "model": "fake",
        "rows": 200,
        "dim": DIM,
        "bytes": (tmp_path / "x.parquet").stat().st_size,
    }
    done = embedtool("export", plain, "--to", tmp_path / "x.parquet")
    assert done.out.splitlines()[3] == "rows\t200"
    assert done.err == f"note: replaced the earlier export at {tmp_path / 'x.parquet'}\n"
    done = embedtool("export", plain, "--to", tmp_path / "x")
    assert done.code == 2 and done.err.startswith("error: expected one of clip-retrieval")


def test_ann_benchmarks_searches_in_blocks(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_index(index, tmp_path / "once.h5")
    monkeypatch.setattr(write_ann_benchmarks, "SEARCHED_ROWS", 100)
    export_index(index, tmp_path / "blocks.h5")
    with h5py.File(tmp_path / "once.h5") as once, h5py.File(tmp_path / "blocks.h5") as blocks:
        assert np.abs(once["distances"][:] - blocks["distances"][:]).max() < 1e-6
