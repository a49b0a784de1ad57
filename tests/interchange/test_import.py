"""Imports of any format: how the index is made and what it then answers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command import embedtool_here as embedtool
from support.imports import ROWS, save_npy, segment_bytes, stored_images
from support.indexes import RECIPE
from support.pictures import encoded, picture

from embedtool import doctor_index, import_vectors, index_photos, search_photos
from embedtool.errors import EmbedtoolError, ModelMismatch, ModelUnavailable, UsageError
from embedtool.interchange.incoming import BLOCK_ROWS
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer


def test_an_index_of_foreign_vectors_answers_by_path_and_row_alone(tmp_path: Path) -> None:
    import_vectors(**save_npy(tmp_path), root=tmp_path, model="clip")
    index = tmp_path / "index"
    [by_path] = search_photos(index, tmp_path / "a" / "2.jpg", k=7)
    [by_row] = search_photos(index, rows=[3], k=7)
    unit = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    order = np.argsort(-(unit @ unit[2]))
    assert [m.path.name for m in by_path.matches] == [f"{n}.jpg" for n in order]
    assert by_path.matches == by_row.matches
    new = tmp_path / "new.png"
    new.write_bytes(encoded(picture(3), "PNG"))
    for query in (new, tmp_path / "missing.png"):
        with pytest.raises(ModelUnavailable, match=r"imported:clip.*--row") as caught:
            search_photos(index, query)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelUnavailable, match="made by another program"):
        doctor_index(index)
    with pytest.raises(ModelUnavailable, match="made by another program"):
        index_photos(tmp_path, index=index)
    with pytest.raises(ModelMismatch):
        index_photos(tmp_path, index=index, model="builtin")
    assert len(stored_images(index)) == 7


def test_vectors_of_two_origins_have_two_fingerprints(tmp_path: Path) -> None:
    prints = []
    for name, rows, model in (
        ("a", ROWS, None), ("b", ROWS, None), ("c", ROWS * 2, None), ("d", ROWS, "m"),
        ("e", ROWS * 2, "m"), ("f", ROWS, "n"),
    ):  # fmt: skip
        (tmp_path / name).mkdir()
        import_vectors(**save_npy(tmp_path / name, rows), model=model)
        with IndexReader(tmp_path / name / "index") as index:
            prints.append(index.fingerprint)
            assert index.recipe.architecture == "imported"
    assert prints[0] == prints[1] and prints[3] == prints[4]
    assert len({prints[0], prints[2], prints[3], prints[5], RECIPE.fingerprint}) == 5


def test_blocks_are_bounded_and_an_interrupted_import_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 3 * BLOCK_ROWS + 5
    rows = np.random.default_rng(1).normal(size=(count, 3)).astype("f4")
    wanted = save_npy(tmp_path, rows, [f"{n:05}.jpg" for n in range(count)])
    real, sizes = Writer.commit, []

    def commit(self: Writer, **batch: list[Any]) -> None:
        sizes.append(len(batch["images"]))
        if len(sizes) == stop_at:
            raise KeyboardInterrupt
        real(self, **batch)

    monkeypatch.setattr(Writer, "commit", commit)
    before = sorted(tmp_path.iterdir())
    stop_at = 3
    with pytest.raises(KeyboardInterrupt):
        import_vectors(**wanted)
    assert sorted(tmp_path.iterdir()) == before
    stop_at = 0
    sizes.clear()
    import_vectors(**wanted)
    assert sizes == [BLOCK_ROWS] * 3 + [5]
    assert [row[1] for row in stored_images(tmp_path / "index")] == [
        b"%05d.jpg" % n for n in range(count)
    ]


def test_an_index_that_exists_is_never_touched(tmp_path: Path) -> None:
    wanted = save_npy(tmp_path)
    import_vectors(**wanted)
    before = segment_bytes(tmp_path / "index")
    with pytest.raises(EmbedtoolError, match=rf"embedtool import .*--index {tmp_path}/index-2"):
        import_vectors(**wanted)
    assert segment_bytes(tmp_path / "index") == before
    with pytest.raises(UsageError, match="--paths FILE"):
        import_vectors(wanted["path"], index=tmp_path / "new")


def test_the_command(tmp_path: Path) -> None:
    wanted = save_npy(tmp_path)
    done = embedtool(
        "import", wanted["path"], "--paths", wanted["paths"], "--index", tmp_path / "index",
        "--root", tmp_path, "--model", "clip", "--json",
    )  # fmt: skip
    assert done.code == 0 and done.err.startswith("note: the vectors were made by another program")
    assert json.loads(done.out) == {
        "schema": 2,
        "index": str(tmp_path / "index"),
        "model": "imported:clip",
        "images": 7,
        "vectors": 7,
        "dim": 5,
    }
    done = embedtool("search", tmp_path / "index", tmp_path / "a" / "2.jpg", "-k", 1)
    assert done.code == 0 and done.out.endswith(f"1.0000\t{tmp_path}/a/2.jpg\n")
    done = embedtool("search", tmp_path / "index", tmp_path / "v.npy")
    assert done.code == 1 and done.out == "" and done.err.count("\n") == 1
    done = embedtool("import", wanted["path"], "--index", tmp_path / "new")
    assert done.code == 2 and "--paths FILE" in done.err
