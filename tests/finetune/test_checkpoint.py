"""Checkpoints: whole, or not taken up."""

from pathlib import Path

import numpy as np
import pytest

from embedtool.finetune.checkpoint import Checkpoint, Epoch
from embedtool.models.keras_runtime import keras

EPOCH = Epoch("head", 1, 0.5, 0.75, None, None, 2.0)


def model(value: float) -> "keras.Model":
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    made.compile("sgd", "mse")
    made.optimizer.build(made.trainable_variables)
    made.layers[-1].kernel.assign([[value], [value]])
    return made


def test_it_is_taken_up_by_its_own_run_only(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint"
    assert Checkpoint.read(file, "a") is None
    Checkpoint.write(file, model(3.0), [EPOCH], "a")
    assert Checkpoint.read(file, "b") is None
    read = Checkpoint.read(file, "a") or pytest.fail("not read")
    assert read.history == (EPOCH,)
    other = model(0.0)
    read.restore(other, optimiser=True)
    assert other.layers[-1].kernel.numpy().tolist() == [[3.0], [3.0]]


def test_a_damaged_one_is_told_and_not_taken_up(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint"
    Checkpoint.write(file, model(3.0), [EPOCH], "a")
    whole = file.read_bytes()
    random = np.random.default_rng(0)
    flipped = [
        whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        for place in (*random.integers(8, len(whole), 40).tolist(), len(whole) - 1)
    ]
    for content in (*flipped, whole[: len(whole) // 2], b""):
        file.write_bytes(content)
        with pytest.warns(UserWarning, match="is damaged: training starts again"):
            assert Checkpoint.read(file, "a") is None
