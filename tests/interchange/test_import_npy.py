"""Imports of .npy files with a list of paths."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.imports import NAMES, ROWS, assert_refused, save_npy, stored_images

from embedtool import import_vectors
from embedtool.core.types import unit_rows
from embedtool.errors import EmbedtoolError
from embedtool.interchange.read_arrays import read_path_list


@pytest.mark.parametrize("kind", ["<f2", "<f4", "<f8", ">f4"])
def test_npy_and_paths(tmp_path: Path, kind: str) -> None:
    rows = np.asfortranarray(ROWS.astype(kind)) if kind == "<f8" else ROWS.astype(kind)
    report = import_vectors(**save_npy(tmp_path, rows), root=tmp_path)
    assert (report.images, report.vectors, report.dim) == (7, 7, 5)
    assert "made by another program" in report.notes[0]
    expected = unit_rows(ROWS.astype(kind)).astype(np.float16)
    root = os.fsencode(tmp_path)
    for n, (at, name, size, mtime, digest, vector) in enumerate(stored_images(tmp_path / "index")):
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
    import_vectors(**save_npy(tmp_path, ROWS[:4], names))
    here = os.fsencode(tmp_path)
    found = stored_images(tmp_path / "index")
    assert [row[:2] for row in found] == [
        (here, b"here.jpg"), (here, b"b.jpg"), (here, b"c.jpg"), (b"/elsewhere/deep", b"d.jpg"),
    ]  # fmt: skip
    assert found[0][2:4] == (5, photo.stat().st_mtime_ns)


def bad_rows(value: float, row: int, kind: str = "<f4") -> np.ndarray:
    rows = np.ones((1500, 2), kind)
    rows[row] = value
    return rows


MANY = [f"{n}.jpg" for n in range(1500)]


BAD_NPY = {
    "objects": (np.array([[1, "a"]], object), NAMES[:1], "cannot|can't"),
    "integers": (np.ones((7, 5), int), NAMES, "received int64"),
    "text": (np.full((7, 5), "x"), NAMES, "received <U1"),
    "complex": (np.ones((7, 5), complex), NAMES, "received complex128"),
    "one dimension": (np.ones(7), NAMES, r"received float64 of shape \(7,\)"),
    "three": (np.ones((7, 5, 1)), NAMES, r"received float64 of shape \(7, 5, 1\)"),
    "no rows": (np.ones((0, 5)), [], r"\(0, 5\)|mmap"),
    "no columns": (np.ones((7, 0)), NAMES, r"\(7, 0\)|mmap"),
    "more paths": (ROWS, [*NAMES, "x.jpg"], "has 7 vectors.*has 8 paths"),
    "fewer paths": (ROWS, NAMES[:6], "has 7 vectors.*has 6 paths"),
    "no paths": (ROWS, [], "has 7 vectors.*has 0 paths"),
    "one path twice": (ROWS, ["x", *NAMES[1:6], "x"], "rows 0 and 6 both have .*/x"),
    "one file twice": (ROWS, ["x", "./x", *NAMES[2:]], "rows 0 and 1 both have .*/x"),
    "an empty path": (ROWS, ["x", "", *NAMES[2:]], "row 1: expected a path"),
    "zero": (bad_rows(0, 1400), MANY, "row 1400 has length 0"),
    "nan": (bad_rows(np.nan, 3), MANY, "row 3 has length nan"),
    "infinite": (bad_rows(np.inf, 1024), MANY, "row 1024 has length inf"),
    "signalling nan": (bad_rows(np.array([0x7FF0000000000001]).view("<f8")[0], 3, "<f8"), MANY,
                       "row 3 has length nan"),
    "beyond float32": (bad_rows(1e300, 1030, "<f8"), MANY, "row 1030 has length inf"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_NPY)
def test_npy_that_cannot_be_meant(tmp_path: Path, case: str) -> None:
    rows, names, message = BAD_NPY[case]
    wanted = save_npy(tmp_path, rows, names)
    before = sorted(tmp_path.iterdir())
    assert_refused(message, **wanted)
    assert sorted(tmp_path.iterdir()) == before


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_npy_is_one_clear_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("npy")
    wanted = save_npy(folder)
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
        assert len(stored_images(folder / "index")) == 7


@given(st.lists(st.binary(max_size=5), max_size=8), st.integers(1, 9), st.booleans())
@settings(max_examples=200, deadline=None)
def test_path_lists_are_read_in_chunks(
    tmp_path_factory: pytest.TempPathFactory, names: list[bytes], chunk: int, ended: bool
) -> None:
    names = [n.replace(b"\n", b"").replace(b"\0", b"").replace(b"\r", b"") for n in names]
    file = tmp_path_factory.mktemp("list") / "p.txt"
    text = b"\r\n".join(names) + (b"\r\n" if ended and names else b"")
    file.write_bytes(text)
    expected = [n.removesuffix(b"\r") for n in text.removesuffix(b"\n").split(b"\n")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("embedtool.interchange.read_arrays.CHUNK_BYTES", chunk)
        assert list(read_path_list(file)) == (expected if text else [])
