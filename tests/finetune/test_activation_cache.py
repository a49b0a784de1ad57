"""Rows on disk: found again by key, never believed when damaged, never more than there is room."""

import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedtool.errors import IndexLocked
from embedtool.finetune.activation_cache import RECORD, ActivationStore, evict

SHAPE, DTYPE = (2, 3), np.dtype(np.float16)
ROW_BYTES = 12


def key(number: int) -> bytes:
    return number.to_bytes(32, "little")


def row(number: int) -> np.ndarray:
    return np.random.RandomState(number).rand(*SHAPE).astype(DTYPE)


def filled(folder: Path, count: int) -> None:
    with ActivationStore(folder, SHAPE, DTYPE) as store:
        for number in range(count):
            store.append(key(number), row(number))


def found(folder: Path, count: int) -> list[int]:
    """Which rows are there, each compared with what was written."""
    with ActivationStore(folder, SHAPE, DTYPE) as store:
        keys = [key(number) for number in range(count)]
        absent = store.missing(keys)
        there = [number for number in range(count) if key(number) not in absent]
        rows, places = store.rows([key(number) for number in there])
        for number, place in zip(there, places, strict=True):
            assert np.array_equal(rows[place], row(number))
        return there


@given(st.integers(0, 200), st.integers(0, 400))
@settings(max_examples=40, deadline=None)
def test_a_cut_leaves_whole_rows_and_the_rest_is_computed_again(rows: int, keys: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "store"
        filled(folder, 10)
        with open(folder / "rows", "r+b") as file:
            file.truncate(min(rows, 10 * ROW_BYTES))
        with open(folder / "keys", "r+b") as file:
            file.truncate(min(keys, 10 * RECORD))
        whole = min(rows // ROW_BYTES, keys // RECORD, 10)
        assert found(folder, 10) == list(range(whole))
        with ActivationStore(folder, SHAPE, DTYPE) as store:
            for number in range(whole, 10):
                store.append(key(number), row(number))
        assert found(folder, 10) == list(range(10))


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    filled(tmp_path / "store", 5)
    content = bytearray((tmp_path / "store" / "rows").read_bytes())
    content[3 * ROW_BYTES] ^= 1
    (tmp_path / "store" / "rows").write_bytes(content)
    assert found(tmp_path / "store", 5) == [0, 1, 2, 4]
    with ActivationStore(tmp_path / "store", SHAPE, DTYPE) as store:
        assert store.missing([key(3)]) == [key(3)]
        store.append(key(3), row(3))
    assert found(tmp_path / "store", 5) == [0, 1, 2, 3, 4]


def test_the_checksum_is_crc_32_of_the_row(tmp_path: Path) -> None:
    filled(tmp_path / "store", 1)
    record = (tmp_path / "store" / "keys").read_bytes()
    assert record == key(0) + zlib.crc32(row(0).tobytes()).to_bytes(4, "little")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        ActivationStore(tmp_path / "store", SHAPE, DTYPE),
        pytest.raises(IndexLocked),
        ActivationStore(tmp_path / "store", SHAPE, DTYPE),
    ):
        pass


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    for age, name in enumerate(["new", "middle", "old"]):
        filled(tmp_path / name, 10)
        os.utime(tmp_path / name, (1_700_000_000 - age, 1_700_000_000 - age))
    each = 10 * (ROW_BYTES + RECORD)
    own = [tmp_path / "own"]
    assert evict(tmp_path, own, each, 4 * each)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["middle", "new", "old"]
    assert evict(tmp_path, own, each, 2 * each)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert not evict(tmp_path, own, 2 * each, each)
    assert list(tmp_path.iterdir()) == []
