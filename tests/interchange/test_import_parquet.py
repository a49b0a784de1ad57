"""Imports of Parquet files and clip-retrieval folders that other programs wrote."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.exports import index_content
from support.imports import NAMES, ROWS, assert_refused, stored_images

from embedtool import import_vectors
from embedtool.collection.inspect import verify_index
from embedtool.core.types import unit_rows
from embedtool.errors import EmbedtoolError, UsageError
from embedtool.interchange.incoming import BLOCK_ROWS
from embedtool.store.writer import Writer


def save_clip_retrieval(folder: Path, parts: int = 2, **columns: Sequence[object]) -> Path:
    """What `clip-retrieval inference` writes: float16 rows, and a data frame beside each part."""
    for number in range(parts):
        for name in ("img_emb", "metadata"):
            (folder / "clip" / name).mkdir(parents=True, exist_ok=True)
        part = slice(number * 4, number * 4 + 4)
        np.save(folder / "clip" / "img_emb" / f"img_emb_{number}.npy", ROWS.astype("f2")[part])
        table = pa.table({"image_path": NAMES[part], **{k: v[part] for k, v in columns.items()}})
        pq.write_table(table, folder / "clip" / "metadata" / f"metadata_{number}.parquet")
    return folder / "clip"


def test_clip_retrieval_of_others(tmp_path: Path) -> None:
    same = ["ab" * 32, "cd" * 32, "ab" * 32, None, None, "ef" * 32, "01" * 32]
    clip = save_clip_retrieval(tmp_path, sha256=same, size=["XL"] * 7, root=["no path"] * 7)
    report = import_vectors(clip, index=tmp_path / "index", root=tmp_path)
    assert (report.images, report.vectors) == (7, 6)
    found = stored_images(tmp_path / "index")
    assert [row[1].decode() for row in found] == NAMES
    digests = [hashlib.sha256(b"imported:" + os.fsencode(tmp_path / name)).hexdigest()
               for name in NAMES]  # fmt: skip
    assert [r[4].hex() for r in found] == [s or d for s, d in zip(same, digests, strict=True)]
    assert found[2][5] == found[0][5] != found[1][5]
    shutil.rmtree(clip / "metadata")
    with pytest.raises(UsageError, match="--paths"):
        import_vectors(clip, index=tmp_path / "other")
    (tmp_path / "p.txt").write_text("\r\n".join(NAMES))
    report = import_vectors(clip, index=tmp_path / "other", paths=tmp_path / "p.txt", root=tmp_path)
    assert [row[1].decode() for row in stored_images(tmp_path / "other")] == NAMES


def test_parts_that_do_not_fit_together(tmp_path: Path) -> None:
    def refused(message: str) -> None:
        assert_refused(message, path=clip, index=tmp_path / "index")

    clip = save_clip_retrieval(tmp_path)
    last = clip / "metadata" / "metadata_1.parquet"
    pq.write_table(pa.table({"image_path": ["x"]}), last)
    refused("img_emb_1.npy has 3 vectors and metadata_1.parquet has 1 images")
    pq.write_table(pa.table({"path": NAMES[4:]}), last)
    refused("expected one column image_path, received path")
    last.unlink()
    refused("has 2 and .* has 1")
    clip = save_clip_retrieval(tmp_path)
    np.save(clip / "img_emb" / "img_emb_1.npy", np.ones((3, 6), "f2"))
    refused("img_emb_0.npy has 5 dimensions and img_emb_1.npy has 6")
    (tmp_path / "empty").mkdir()
    clip = tmp_path / "empty"
    refused("expected a clip-retrieval folder.*is none of these")
    clip = tmp_path / "text.csv"
    clip.write_text("a,b")
    refused("expected a clip-retrieval folder.*is none of these")


def test_parquet_of_others(tmp_path: Path) -> None:
    for kind in (pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 5)):
        table = pa.table({"path": NAMES, "vector": pa.array(ROWS.tolist(), kind)})
        pq.write_table(table, tmp_path / "x.parquet", row_group_size=3)
        import_vectors(tmp_path / "x.parquet", index=tmp_path / "index", root="/photos")
        expected = unit_rows(unit_rows(ROWS).astype(np.float16)).astype(np.float16)
        found = stored_images(tmp_path / "index")
        assert [row[5] for row in found] == [row.tobytes() for row in expected]
        assert found[0][:2] == (b"/photos", b"a/0.jpg")
        shutil.rmtree(tmp_path / "index")
        index_content.cache_clear()


def test_a_parquet_file_is_never_held_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 12 * BLOCK_ROWS
    rows = np.random.default_rng(1).normal(size=(count, 256)).astype("f4")
    table = pa.table({"path": [f"{n}.jpg" for n in range(count)], "vector": list(rows)})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=BLOCK_ROWS)
    before = pa.total_allocated_bytes()
    real, held = Writer.commit, []

    def commit(self: Writer, **batch: list[Any]) -> None:
        held.append(pa.total_allocated_bytes() - before)
        real(self, **batch)

    monkeypatch.setattr(Writer, "commit", commit)
    import_vectors(tmp_path / "x.parquet", index=tmp_path / "index")
    assert len(held) == 12 and max(held) < rows.nbytes / 2


BAD_PARQUET = {
    "no vector": ({"path": NAMES}, "expected one column vector, received path"),
    "no path": ({"vector": ROWS.tolist()}, "expected one column path, received vector"),
    "no rows": ({"path": pa.array([], "string"), "vector": pa.array([], pa.list_(pa.float32()))},
                "has none"),
    "text": ({"path": NAMES, "vector": NAMES}, "expected lists of floats.*received string"),
    "lists of text": ({"path": NAMES, "vector": [["a"]] * 7}, "received list<"),
    "ragged": ({"path": NAMES, "vector": [[1.0, 2]] * 6 + [[1.0]]}, "row 6 has 1 dimensions"),
    "null": ({"path": NAMES, "vector": [[1.0, 2]] * 3 + [None] * 4}, "row 3 has 0 dimensions"),
    "gap": ({"path": NAMES, "vector": [[1.0, 2]] * 6 + [[None, 1.0]]}, "row 6 has length nan"),
    "empty": ({"path": NAMES, "vector": pa.array([[]] * 7, pa.list_(pa.float32()))},
              "row 0 has 0 dimensions"),
    "no path in a row": ({"path": [*NAMES[:6], None], "vector": ROWS.tolist()},
                         "row 6: expected a path without a NUL byte, received ''"),
    "NUL": ({"path": [*NAMES[:6], "a\0b"], "vector": ROWS.tolist()}, "row 6: expected a path"),
    "bad digest": ({"path": NAMES, "vector": ROWS.tolist(), "sha256": ["xy"] * 7}, "fromhex"),
    "short digest": ({"path": NAMES, "vector": ROWS.tolist(), "sha256": ["ab"] * 7},
                     "row 0: expected a sha256 of 32 bytes, received 1 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_PARQUET)
def test_parquet_that_cannot_be_meant(tmp_path: Path, case: str) -> None:
    columns, message = BAD_PARQUET[case]
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    assert_refused(message, path=tmp_path / "x.parquet", index=tmp_path / "index")
    assert [p.name for p in tmp_path.iterdir()] == ["x.parquet"]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_parquet_is_one_clear_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("parquet")
    file = folder / "x.parquet"
    pq.write_table(pa.table({"path": NAMES, "vector": ROWS.tolist()}), file)
    whole = bytearray(file.read_bytes())
    if data.draw(st.booleans()):
        del whole[data.draw(st.integers(4, len(whole) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            whole[data.draw(st.integers(4, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(whole)
    try:
        import_vectors(file, index=folder / "index")
    except EmbedtoolError as error:
        assert "\n" not in str(error)
        assert not (folder / "index").exists()
    else:  # Parquet has no checksum of its own: a flipped bit may be another vector
        assert verify_index(folder / "index") == []
