"""The images that a network was trained on, as salted digests."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from embedtool.models.training_images import TrainingImages

DIGESTS = [hashlib.sha256(b"%d" % number).digest() for number in range(6)]
SALT = b"one model"


def test_each_image_is_known_and_no_other() -> None:
    images = TrainingImages.of(DIGESTS[:3], SALT) | TrainingImages.of(DIGESTS[2:4], b"another")
    assert images.flags(DIGESTS).tolist() == [True] * 4 + [False] * 2
    assert len(images) == 5 and images.complete
    assert TrainingImages().flags(DIGESTS).tolist() == [False] * 6
    assert images.flags([]).tolist() == []


def test_a_model_that_is_not_complete_makes_no_complete_one() -> None:
    unknown = TrainingImages(complete=False)
    assert not (unknown | TrainingImages.of(DIGESTS, SALT)).complete


@given(
    parts=st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.sets(st.integers(0, 5)))),
    complete=st.booleans(),
)
@settings(max_examples=40)
def test_what_is_written_is_read(parts: list[tuple[bytes, set[int]]], complete: bool) -> None:
    images = TrainingImages(complete=complete)
    for salt, numbers in parts:
        images |= TrainingImages.of([DIGESTS[number] for number in numbers], salt)
    read = TrainingImages.from_bytes(images.to_bytes())
    assert read.complete == complete
    assert read.flags(DIGESTS).tolist() == [
        any(number in numbers for _, numbers in parts) for number in range(6)
    ]
    assert read.to_bytes() == images.to_bytes()


def test_the_file_has_no_digest_that_could_be_looked_up() -> None:
    one, other = (TrainingImages.of(DIGESTS, salt).to_bytes() for salt in (b"a", b"b"))
    for digest in DIGESTS:
        assert digest[:8] not in one
    [mine], [theirs] = (
        [rows for name, rows in load(content).items() if name != "complete"]
        for content in (one, other)
    )
    assert not {row.tobytes() for row in mine} & {row.tobytes() for row in theirs}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no such file",
        save({"0 6162": np.zeros((2, 16), np.uint8)}),
        save({"0 6162": np.zeros((2, 15), np.uint8), "complete": np.ones(1, np.uint8)}),
        save({"0 6162": np.zeros((2, 16), np.float32), "complete": np.ones(1, np.uint8)}),
        save({"0 no": np.zeros((2, 16), np.uint8), "complete": np.ones(1, np.uint8)}),
        save({"x": np.zeros((2, 16), np.uint8), "complete": np.ones(1, np.uint8)}),
        save({"0 6162": np.zeros((2, 16), np.uint8), "complete": np.ones(0, np.uint8)}),
    ],
)
def test_anything_else_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):
        TrainingImages.from_bytes(content)
