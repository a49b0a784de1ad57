"""Exports as HDF5 for ann-benchmarks: the split, and exact neighbours."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from support.exports import COUNT, DIM, check_card, index_content, make_copies

from embedtool import export_index
from embedtool.core.types import Source
from embedtool.errors import EmbedtoolError
from embedtool.interchange import write_ann_benchmarks


def test_ann_benchmarks_neighbours_are_those_of_numpy(index: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.hdf5"
    report = export_index(index, out, seed=3)
    _, vectors = index_content(index)
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
    assert report.notes == (f"test is a random sample of {queries} of 2,348 images, seed 3",)
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


def test_ann_benchmarks_searches_in_blocks(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_index(index, tmp_path / "once.h5")
    monkeypatch.setattr(write_ann_benchmarks, "SEARCHED_ROWS", 100)
    export_index(index, tmp_path / "blocks.h5")
    with h5py.File(tmp_path / "once.h5") as once, h5py.File(tmp_path / "blocks.h5") as blocks:
        assert np.abs(once["distances"][:] - blocks["distances"][:]).max() < 1e-6


def test_ann_benchmarks_of_few_images(tmp_path: Path) -> None:
    files = [Source(b"/r", b"%d" % n, 1, 1) for n in range(15)]
    for count, train in ((2, 1), (15, 14)):
        make_copies(tmp_path / f"{count}", files[:count])
        export_index(tmp_path / f"{count}", tmp_path / f"{count}.h5")
        with h5py.File(tmp_path / f"{count}.h5") as book:
            assert book["neighbors"].shape == (1, train)
    make_copies(tmp_path / "1", files[:1])
    with pytest.raises(EmbedtoolError, match="expected at least two images"):
        export_index(tmp_path / "1", tmp_path / "1.h5")
    assert not (tmp_path / "1.h5").exists()
