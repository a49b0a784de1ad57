"""Imports: of exports, of what other programs write, and of files that lie."""

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.command import embedtool
from support.exports import COUNT, ODD, content, fill
from support.indexes import RECIPE, make_index
from support.pictures import encoded, picture

from embedtool import export_index, import_vectors, index_photos, search_photos
from embedtool.collection.inspect import doctor_index, verify_index
from embedtool.core.types import Source, unit_rows
from embedtool.errors import EmbedtoolError, ModelMismatch, ModelUnavailable, UsageError
from embedtool.interchange.incoming import BLOCK_ROWS
from embedtool.interchange.read_arrays import list_paths
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

OURS = ("parquet", "npy", "clip-retrieval", "embedding-atlas")
ROWS = np.random.default_rng(0).normal(size=(7, 5))
NAMES = [f"a/{n}.jpg" for n in range(7)]


def stored(index: Path) -> list[tuple[bytes, bytes, int, int, bytes, bytes]]:
    """All that an index says of each image, with the stored bytes of its vector."""
    rows, vectors = content(index)
    halves = vectors.astype(np.float16)
    return [
        (r.root, r.path, r.size, r.mtime_ns, r.digest, half.tobytes())
        for r, half in zip(rows, halves, strict=True)
    ]


def segment_bytes(index: Path) -> bytes:
    """The rows of all segments as they lie on disk, one after the other."""
    files = sorted((index / "vectors").iterdir())
    return b"".join(np.load(file).tobytes() for file in files)


@pytest.mark.parametrize("format", OURS)
def test_an_import_of_an_export_is_the_same_index(tmp_path: Path, format: str) -> None:
    fill(tmp_path / "index", COUNT, ODD)
    export_index(tmp_path / "index", tmp_path / "out.parquet", format=format)
    report = import_vectors(tmp_path / "out.parquet", index=tmp_path / "back")
    assert (report.model, report.images, report.vectors) == ("fake", COUNT, COUNT - 2)
    assert report.notes == ()
    assert stored(tmp_path / "back") == stored(tmp_path / "index")
    assert verify_index(tmp_path / "back") == []
    with IndexReader(tmp_path / "index") as one, IndexReader(tmp_path / "back") as other:
        assert (one.model, one.recipe, one.dim) == (other.model, other.recipe, other.dim)
        assert np.array_equal(one.golden, other.golden)
    queries = {"rows": [1, 4, COUNT], "k": 20}
    assert search_photos(tmp_path / "back", **queries) == search_photos(
        tmp_path / "index", **queries
    )


@pytest.mark.parametrize("format", OURS)
def test_stored_bytes_of_a_real_network_come_back(drawn: Path, tmp_path: Path, format: str) -> None:
    index_photos(drawn, index=tmp_path / "index", model="builtin")
    export_index(tmp_path / "index", tmp_path / "out.parquet", format=format)
    import_vectors(tmp_path / "out.parquet", index=tmp_path / "back")
    assert segment_bytes(tmp_path / "back") == segment_bytes(tmp_path / "index")
    assert min(doctor_index(tmp_path / "back")) > 0.999
    new = tmp_path / "new.png"
    new.write_bytes(encoded(picture(3), "PNG"))
    [one], [other] = (search_photos(tmp_path / name, new, k=9) for name in ("index", "back"))
    assert one == other and len(one.matches) == 9
    report = index_photos(drawn, index=tmp_path / "back")
    assert (report.unchanged, report.added, report.updated, report.removed) == (37, 0, 0, 0)
    with pytest.raises(ModelMismatch, match="cannot be mixed"):
        index_photos(drawn, index=tmp_path / "back", model="builtin", precision="float32")


paths = st.binary(min_size=1, max_size=12).filter(
    lambda p: not set(p) & {0, ord("/")} and p not in (b".", b"..")
)


@given(st.lists(paths, min_size=1, max_size=6, unique=True), st.sampled_from(OURS))
@example([b"\r", b"a\n", b"\xff", "\ufffd".encode()], "npy")
@example([b"\r", b"a\n", b"\xff", "\ufffd".encode()], "parquet")
@settings(max_examples=20, deadline=None)
def test_any_path_comes_back(
    tmp_path_factory: pytest.TempPathFactory, names: list[bytes], format: str
) -> None:
    folder = tmp_path_factory.mktemp("paths")
    make_index(folder / "index")
    row = unit_rows(np.ones((1, 49)))[0]
    with Writer(folder / "index") as writer:
        writer.commit(
            vectors=[(b"d" * 32, row)],
            images=[(Source(b"/top/" + name, name, 1, 2), b"d" * 32) for name in names],
            renames=[],
            rejects=[],
        )
    export_index(folder / "index", folder / "out.parquet", format=format)
    import_vectors(folder / "out.parquet", index=folder / "back")
    assert stored(folder / "back") == stored(folder / "index")
    if format == "npy":  # the plain half of it serves as well
        made = folder / "out.parquet"
        import_vectors(made / "vectors.npy", paths=made / "paths.txt", index=folder / "plain")
        found = [os.path.join(root, path) for root, path, *_ in stored(folder / "plain")]
        assert found == [b"/top/" + name + b"/" + name for name in names]


def write_npy(folder: Path, rows: np.ndarray = ROWS, names: list[str] = NAMES) -> dict[str, Path]:
    np.save(folder / "v.npy", rows)
    (folder / "p.txt").write_text("".join(f"{name}\n" for name in names))
    return {"path": folder / "v.npy", "paths": folder / "p.txt", "index": folder / "index"}


@pytest.mark.parametrize("kind", ["<f2", "<f4", "<f8", ">f4"])
def test_npy_and_paths(tmp_path: Path, kind: str) -> None:
    rows = np.asfortranarray(ROWS.astype(kind)) if kind == "<f8" else ROWS.astype(kind)
    report = import_vectors(**write_npy(tmp_path, rows), root=tmp_path)
    assert (report.images, report.vectors, report.dim) == (7, 7, 5)
    assert "made elsewhere" in report.notes[0]
    expected = unit_rows(ROWS.astype(kind)).astype(np.float16)
    root = os.fsencode(tmp_path)
    for n, (at, name, size, mtime, digest, vector) in enumerate(stored(tmp_path / "index")):
        assert (at, name, size, mtime) == (root, b"a/%d.jpg" % n, 0, 0)
        assert digest == hashlib.sha256(b"imported:" + root + b"/" + name).digest()
        unit = unit_rows(expected[n : n + 1]).astype(np.float16)
        assert vector == unit.tobytes()


def test_relative_paths_are_below_the_root_and_absolute_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photo = tmp_path / "here.jpg"
    photo.write_bytes(b"photo")
    names = ["here.jpg", "./x/../b.jpg", f"{tmp_path}/c.jpg", "/elsewhere/deep/d.jpg"]
    import_vectors(**write_npy(tmp_path, ROWS[:4], names))
    here = os.fsencode(tmp_path)
    found = stored(tmp_path / "index")
    assert [row[:2] for row in found] == [
        (here, b"here.jpg"), (here, b"b.jpg"), (here, b"c.jpg"), (b"/elsewhere/deep", b"d.jpg"),
    ]  # fmt: skip
    assert found[0][2:4] == (5, photo.stat().st_mtime_ns)


def test_an_index_of_foreign_vectors_answers_by_path_and_row_alone(tmp_path: Path) -> None:
    import_vectors(**write_npy(tmp_path), root=tmp_path, model="clip")
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
    with pytest.raises(ModelUnavailable, match="made elsewhere"):
        doctor_index(index)
    with pytest.raises(ModelUnavailable, match="made elsewhere"):
        index_photos(tmp_path, index=index)
    with pytest.raises(ModelMismatch):
        index_photos(tmp_path, index=index, model="builtin")
    assert len(stored(index)) == 7


def test_vectors_of_two_origins_have_two_fingerprints(tmp_path: Path) -> None:
    prints = []
    for name, rows, model in (
        ("a", ROWS, None), ("b", ROWS, None), ("c", ROWS * 2, None), ("d", ROWS, "m"),
        ("e", ROWS * 2, "m"), ("f", ROWS, "n"),
    ):  # fmt: skip
        (tmp_path / name).mkdir()
        import_vectors(**write_npy(tmp_path / name, rows), model=model)
        with IndexReader(tmp_path / name / "index") as index:
            prints.append(index.fingerprint)
            assert index.recipe.architecture == "imported"
    assert prints[0] == prints[1] and prints[3] == prints[4]
    assert len({prints[0], prints[2], prints[3], prints[5], RECIPE.fingerprint}) == 5


def write_clip(folder: Path, parts: int = 2, **columns: list[object]) -> Path:
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
    clip = write_clip(tmp_path, sha256=same, size=["XL"] * 7, root=["no path"] * 7)
    report = import_vectors(clip, index=tmp_path / "index", root=tmp_path)
    assert (report.images, report.vectors) == (7, 6)
    found = stored(tmp_path / "index")
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
    assert [row[1].decode() for row in stored(tmp_path / "other")] == NAMES


def test_parquet_of_others(tmp_path: Path) -> None:
    for kind in (pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 5)):
        table = pa.table({"path": NAMES, "vector": pa.array(ROWS.tolist(), kind)})
        pq.write_table(table, tmp_path / "x.parquet", row_group_size=3)
        import_vectors(tmp_path / "x.parquet", index=tmp_path / "index", root="/photos")
        expected = unit_rows(unit_rows(ROWS).astype(np.float16)).astype(np.float16)
        found = stored(tmp_path / "index")
        assert [row[5] for row in found] == [row.tobytes() for row in expected]
        assert found[0][:2] == (b"/photos", b"a/0.jpg")
        shutil.rmtree(tmp_path / "index")
        content.cache_clear()


def test_blocks_are_bounded_and_an_interrupted_import_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 3 * BLOCK_ROWS + 5
    rows = np.random.default_rng(1).normal(size=(count, 3)).astype("f4")
    wanted = write_npy(tmp_path, rows, [f"{n:05}.jpg" for n in range(count)])
    real, sizes = Writer.commit, []

    def commit(self: Writer, **batch: list) -> None:
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
    assert [row[1] for row in stored(tmp_path / "index")] == [b"%05d.jpg" % n for n in range(count)]


def test_a_parquet_file_is_never_held_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 12 * BLOCK_ROWS
    rows = np.random.default_rng(1).normal(size=(count, 256)).astype("f4")
    table = pa.table({"path": [f"{n}.jpg" for n in range(count)], "vector": list(rows)})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=BLOCK_ROWS)
    before = pa.total_allocated_bytes()
    real, held = Writer.commit, []

    def commit(self: Writer, **batch: list) -> None:
        held.append(pa.total_allocated_bytes() - before)
        real(self, **batch)

    monkeypatch.setattr(Writer, "commit", commit)
    import_vectors(tmp_path / "x.parquet", index=tmp_path / "index")
    assert len(held) == 12 and max(held) < rows.nbytes / 2


def bad_rows(value: float, row: int, kind: str = "<f4") -> np.ndarray:
    rows = np.ones((1500, 2), kind)
    rows[row] = value
    return rows


MANY = [f"{n}.jpg" for n in range(1500)]
HOSTILE = {
    "objects": (np.array([[1, "a"]], object), NAMES[:1], "cannot|can't"),
    "integers": (np.ones((7, 5), int), NAMES, "found int64"),
    "text": (np.full((7, 5), "x"), NAMES, "found <U1"),
    "complex": (np.ones((7, 5), complex), NAMES, "found complex128"),
    "one dimension": (np.ones(7), NAMES, r"found float64 \(7,\)"),
    "three": (np.ones((7, 5, 1)), NAMES, r"found float64 \(7, 5, 1\)"),
    "no rows": (np.ones((0, 5)), [], r"\(0, 5\)|mmap"),
    "no columns": (np.ones((7, 0)), NAMES, r"\(7, 0\)|mmap"),
    "more paths": (ROWS, [*NAMES, "x.jpg"], "holds 7 vectors.*names 8 paths"),
    "fewer paths": (ROWS, NAMES[:6], "holds 7 vectors.*names 6 paths"),
    "no paths": (ROWS, [], "holds 7 vectors.*names 0 paths"),
    "one path twice": (ROWS, ["x", *NAMES[1:6], "x"], "rows 0 and 6 have one path, .*/x"),
    "one file twice": (ROWS, ["x", "./x", *NAMES[2:]], "rows 0 and 1 have one path, .*/x"),
    "an empty path": (ROWS, ["x", "", *NAMES[2:]], "row 1 has no path"),
    "zero": (bad_rows(0, 1400), MANY, "row 1400 has length 0"),
    "nan": (bad_rows(np.nan, 3), MANY, "row 3 has length nan"),
    "infinite": (bad_rows(np.inf, 1024), MANY, "row 1024 has length inf"),
    "signalling nan": (bad_rows(np.array([0x7FF0000000000001]).view("<f8")[0], 3, "<f8"), MANY,
                       "row 3 has length nan"),
    "beyond float32": (bad_rows(1e300, 1030, "<f8"), MANY, "row 1030 has length inf"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_npy_that_cannot_be_meant(tmp_path: Path, case: str) -> None:
    rows, names, message = HOSTILE[case]
    wanted = write_npy(tmp_path, rows, names)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(EmbedtoolError, match=message) as caught:
        import_vectors(**wanted)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_npy_is_one_clear_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("npy")
    wanted = write_npy(folder)
    whole = bytearray(wanted["path"].read_bytes())
    end = len(whole) - ROWS.nbytes
    how = data.draw(st.sampled_from(["flip", "cut", "grow", "header"]))
    if how == "flip":
        whole[data.draw(st.integers(6, end - 1))] ^= 1 << data.draw(st.integers(0, 7))
    elif how == "cut":
        del whole[data.draw(st.integers(7, len(whole) - 1)) :]
    elif how == "grow":
        whole += b"\0"
    else:
        shape = data.draw(
            st.sampled_from(
                ["(7, -5)", "(99999999999999999999, 5)", "(" * 90, "7", "(7.0, 5)", "(True, 35)",
                 "(7, 5" + ", 1" * 20 + ")", "(1<<62, 1<<62)", "(4611686018427387904, 8)", "()"]
            )
        )  # fmt: skip
        text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(end - 11)
        whole[10:end] = text.encode()[: end - 11] + b"\n"
    wanted["path"].write_bytes(whole)
    try:
        import_vectors(**wanted)
    except EmbedtoolError as error:
        assert "\n" not in str(error)
        assert not (folder / "index").exists()
    else:  # some flips only change the case of a letter in the padding
        assert len(stored(folder / "index")) == 7


PARQUET = {
    "no vector": ({"path": NAMES}, "expected one column vector, found path"),
    "no path": ({"vector": ROWS.tolist()}, "expected one column path, found vector"),
    "no rows": ({"path": pa.array([], "string"), "vector": pa.array([], pa.list_(pa.float32()))},
                "holds no rows"),
    "text": ({"path": NAMES, "vector": NAMES}, "expected lists of floats.*found string"),
    "lists of text": ({"path": NAMES, "vector": [["a"]] * 7}, "found list<"),
    "ragged": ({"path": NAMES, "vector": [[1.0, 2]] * 6 + [[1.0]]}, "row 6 has 1 dimensions"),
    "null": ({"path": NAMES, "vector": [[1.0, 2]] * 3 + [None] * 4}, "row 3 has 0 dimensions"),
    "gap": ({"path": NAMES, "vector": [[1.0, 2]] * 6 + [[None, 1.0]]}, "row 6 has length nan"),
    "empty": ({"path": NAMES, "vector": pa.array([[]] * 7, pa.list_(pa.float32()))},
              "row 0 has 0 dimensions"),
    "no path in a row": ({"path": [*NAMES[:6], None], "vector": ROWS.tolist()},
                         "row 6 has no path"),
    "NUL": ({"path": [*NAMES[:6], "a\0b"], "vector": ROWS.tolist()}, "row 6 has no path, or one"),
    "bad digest": ({"path": NAMES, "vector": ROWS.tolist(), "sha256": ["xy"] * 7}, "fromhex"),
    "short digest": ({"path": NAMES, "vector": ROWS.tolist(), "sha256": ["ab"] * 7},
                     "row 0 has a sha256 of 1 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("case", PARQUET)
def test_parquet_that_cannot_be_meant(tmp_path: Path, case: str) -> None:
    columns, message = PARQUET[case]
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(EmbedtoolError, match=message) as caught:
        import_vectors(tmp_path / "x.parquet", index=tmp_path / "index")
    assert "\n" not in str(caught.value)
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


def test_parts_that_do_not_fit_together(tmp_path: Path) -> None:
    def refused(message: str) -> None:
        with pytest.raises(EmbedtoolError, match=message):
            import_vectors(clip, index=tmp_path / "index")
        assert not (tmp_path / "index").exists()

    clip = write_clip(tmp_path)
    last = clip / "metadata" / "metadata_1.parquet"
    pq.write_table(pa.table({"image_path": ["x"]}), last)
    refused("img_emb_1.npy holds 3 vectors, metadata_1.parquet names 1 images")
    pq.write_table(pa.table({"path": NAMES[4:]}), last)
    refused("expected one column image_path, found path")
    last.unlink()
    refused("has 2 parts.*has 1")
    clip = write_clip(tmp_path)
    np.save(clip / "img_emb" / "img_emb_1.npy", np.ones((3, 6), "f2"))
    refused("img_emb_0.npy holds vectors of 5 dimensions, img_emb_1.npy of 6")
    (tmp_path / "empty").mkdir()
    clip = tmp_path / "empty"
    refused("expected a clip-retrieval folder.*is none of these")
    clip = tmp_path / "text.csv"
    clip.write_text("a,b")
    refused("expected a clip-retrieval folder.*is none of these")


def test_an_export_that_was_changed_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "ours", 20, {})
    export_index(tmp_path / "ours", tmp_path / "npy", format="npy")
    card_file, table = tmp_path / "npy" / "embedtool.json", tmp_path / "npy" / "images.jsonl"
    card, lines = json.loads(card_file.read_text()), table.read_text().splitlines()

    def refused(message: str) -> None:
        with pytest.raises(EmbedtoolError, match=message) as caught:
            import_vectors(tmp_path / "npy", index=tmp_path / "index")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "index").exists()

    for change, message in (
        ({"fingerprint": "0" * 64}, "its recipe and its fingerprint differ"),
        ({"embedtool export": 2}, "by a later embedtool"),
        ({"dim": 50}, "broken"),
        ({"dim": -1, "golden": ""}, "broken|differ"),
        ({"golden": "!"}, "broken"),
        ({"recipe": {"weights": "x"}}, "broken"),
        ({"recipe": None}, "broken"),
    ):
        card_file.write_text(json.dumps(card | change))
        refused(message)
    for text in ("", "[]", "{", "[" * 100_000):
        card_file.write_text(text)
        refused("broken")
    card_file.write_text(json.dumps(card | {"dim": 7}))
    refused("expected 7 dimensions")
    card_file.write_text(json.dumps(card))
    for line in ("", "{}", "[]", "x", json.dumps(json.loads(lines[2]) | {"size": 2**70}),
                 json.dumps(json.loads(lines[2]) | {"path": "\ud800"})):  # fmt: skip
        table.write_text("\n".join([*lines[:2], line, *lines[3:]]) + "\n")
        refused("line 3 is broken")
    table.write_text("\n".join(lines[:-1]) + "\n")
    refused("20 vectors.*19 images")
    table.write_text("\n".join(lines) + "\n")
    with pytest.raises(UsageError, match="its model is fake"):
        import_vectors(tmp_path / "npy", index=tmp_path / "index", model="other")
    assert import_vectors(tmp_path / "npy", index=tmp_path / "index", model="fake").images == 20


def test_an_index_that_exists_is_never_touched(tmp_path: Path) -> None:
    wanted = write_npy(tmp_path)
    import_vectors(**wanted)
    before = segment_bytes(tmp_path / "index")
    with pytest.raises(EmbedtoolError, match=rf"embedtool import .*--index {tmp_path}/index-2"):
        import_vectors(**wanted)
    assert segment_bytes(tmp_path / "index") == before
    with pytest.raises(UsageError, match="--paths FILE"):
        import_vectors(wanted["path"], index=tmp_path / "new")


def test_npy_needs_no_other_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "ours", 20, {})
    export_index(tmp_path / "ours", tmp_path / "x.parquet")
    for library in ("pyarrow", "h5py"):
        monkeypatch.setitem(sys.modules, library, None)
    export_index(tmp_path / "ours", tmp_path / "npy", format="npy")
    assert import_vectors(tmp_path / "npy", index=tmp_path / "index").images == 20
    with pytest.raises(EmbedtoolError, match=r"pip install 'embedtool\[export\]'"):
        import_vectors(tmp_path / "x.parquet", index=tmp_path / "other")


@given(st.lists(st.binary(max_size=5), max_size=8), st.integers(1, 9), st.booleans())
@settings(max_examples=200, deadline=None)
def test_path_lists_are_read_in_pieces(
    tmp_path_factory: pytest.TempPathFactory, names: list[bytes], piece: int, ended: bool
) -> None:
    names = [n.replace(b"\n", b"").replace(b"\0", b"").replace(b"\r", b"") for n in names]
    file = tmp_path_factory.mktemp("list") / "p.txt"
    text = b"\r\n".join(names) + (b"\r\n" if ended and names else b"")
    file.write_bytes(text)
    expected = [n.removesuffix(b"\r") for n in text.removesuffix(b"\n").split(b"\n")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("embedtool.interchange.read_arrays.PIECE", piece)
        assert list(list_paths(file)) == (expected if text else [])


def test_the_command(tmp_path: Path) -> None:
    wanted = write_npy(tmp_path)
    done = embedtool(
        "import", wanted["path"], "--paths", wanted["paths"], "--index", tmp_path / "index",
        "--root", tmp_path, "--model", "clip", "--json",
    )  # fmt: skip
    assert done.code == 0 and done.err.startswith("note: made elsewhere")
    assert json.loads(done.out) == {
        "schema": 1,
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
