"""Exports as Parquet, for clip-retrieval and for embedding-atlas, read back as these read them."""

import io
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from embedding_reader import EmbeddingReader
from PIL import Image
from support.exports import COUNT, DIM, check_card, full_path, index_content, make_copies
from support.pictures import encoded, picture

from embedtool import export_index
from embedtool.core.types import Source
from embedtool.errors import UsageError
from embedtool.interchange import write_clip_retrieval
from embedtool.store.layout import Row
from embedtool.store.reader import BLOCK_ROWS


def check_columns(table: pa.Table, rows: list[Row], path: str) -> None:
    paths = [full_path(row) for row in rows]
    texts = [p.decode("utf-8", "replace") for p in paths]
    assert table[path].to_pylist() == texts
    exact = [None if text.encode() == p else p for text, p in zip(texts, paths, strict=True)]
    assert table["path_bytes"].to_pylist() == exact and any(exact) and not all(exact)
    assert table["root"].to_pylist() == [r.root.decode("utf-8", "replace") for r in rows]
    odd = [None if r.root == b"/r" else r.root for r in rows]
    assert table["root_bytes"].to_pylist() == odd
    assert table["size"].to_pylist() == [r.size for r in rows]
    assert table["mtime"].type == pa.timestamp("ns", "UTC")
    assert table["mtime"].cast(pa.int64()).to_pylist() == [r.mtime_ns for r in rows]
    assert table["sha256"].to_pylist() == [r.digest.hex() for r in rows]
    folders = [os.path.basename(os.path.dirname(p)).decode("utf-8", "replace") for p in paths]
    assert table["label"].to_pylist() == folders


def test_parquet(index: Path, tmp_path: Path) -> None:
    report = export_index(index, tmp_path / "deep" / "x.parquet")
    rows, vectors = index_content(index)
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
    rows, vectors = index_content(index)
    names = sorted(p.relative_to(out).as_posix() for p in out.rglob("*.*"))
    parts = range(1 if part_rows > COUNT else 3)
    assert names == [
        "embedtool.json",
        *(f"img_emb/img_emb_{n}.npy" for n in parts),
        *(f"metadata/metadata_{n}.parquet" for n in parts),
    ]
    assert report.notes == (() if len(parts) == 1 else ("wrote 3 parts of up to 1,024 images",))
    stored_images = vectors.astype(np.float16).astype(np.float32)
    assert np.load(out / "img_emb" / "img_emb_0.npy").dtype == np.float16
    [(read, _)] = list(EmbeddingReader(str(out / "img_emb"))(COUNT, show_progress=False))
    assert np.array_equal(read, stored_images)
    reader = EmbeddingReader(
        str(out / "img_emb"),
        "parquet_npy",
        meta_columns=["image_path", "label"],
        metadata_folder=str(out / "metadata"),
    )
    [(read, meta)] = list(reader(COUNT, show_progress=False))
    assert np.array_equal(read, stored_images)
    assert list(meta["image_path"]) == [full_path(row).decode("utf-8", "replace") for row in rows]
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
    assert np.array_equal(read, index_content(index)[1].astype(np.float16))


def test_embedding_atlas(index: Path, tmp_path: Path) -> None:
    photo = tmp_path / os.fsdecode(b"ph\xf6to.png")
    photo.write_bytes(encoded(picture(1, (400, 300)), "PNG"))
    small = tmp_path / "small"
    names = [os.fsencode(photo.name), b"gone.jpg"]
    make_copies(small, [Source(os.fsencode(tmp_path), name, 1, 2) for name in names])
    out = tmp_path / "atlas.parquet"
    report = export_index(small, out, format="embedding-atlas")
    assert report.notes == (
        "1 images could not be read and have no thumbnail",
        f"open it with: embedding-atlas {out} --vector vector --image image",
    )
    table = pq.read_table(out)
    first, second = table["image"].to_pylist()
    assert Image.open(io.BytesIO(first["bytes"])).size == (128, 96)
    assert second == {"bytes": None, "path": str(tmp_path / "gone.jpg")}
    assert np.array_equal(
        np.array(table["vector"].to_pylist(), np.float32), index_content(small)[1]
    )
    with pytest.raises(UsageError, match=r"ends in \.parquet"):
        export_index(small, tmp_path / "atlas", format="embedding-atlas")
