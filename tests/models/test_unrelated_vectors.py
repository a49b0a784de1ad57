"""The vectors of drawn pictures, and their place in the user cache."""

from pathlib import Path

import numpy as np
import pytest

from embedtool.core.types import Pixels, Vectors
from embedtool.images.decode import image_pixels
from embedtool.images.drawn_kinds import KINDS
from embedtool.models import unrelated_vectors as module
from embedtool.models.embedder import MeanColourEmbedder
from embedtool.models.unrelated_vectors import PER_KIND, unrelated_vectors

FINGERPRINT, DIM = MeanColourEmbedder.fingerprint, MeanColourEmbedder.dim


class Counting(MeanColourEmbedder):
    """Counts the pictures that it embeds."""

    def __init__(self) -> None:
        self.count = 0

    def embed(self, pixels: Pixels) -> Vectors:
        self.count += len(pixels)
        return super().embed(pixels)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "PER_KIND", 2)
    monkeypatch.setenv("EMBEDTOOL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "unrelated_vectors" / f"{FINGERPRINT}.npy"


def test_they_are_computed_once_for_a_network(cache: Path) -> None:
    assert unrelated_vectors(FINGERPRINT, DIM) is None, "nothing is computed without a network"
    embedder = Counting()
    first = unrelated_vectors(FINGERPRINT, DIM, embedder)
    assert first is not None and first.shape == (24, DIM) and embedder.count == 24
    assert np.allclose(np.linalg.norm(first, axis=1), 1, atol=1e-6)
    random = np.random.default_rng(20)
    drawn = np.stack([image_pixels(draw(random), embedder.size) for draw in KINDS.values()])
    assert np.array_equal(first[:12], MeanColourEmbedder().embed(drawn))
    again = unrelated_vectors(FINGERPRINT, DIM, embedder)
    assert again is not None and np.array_equal(again, first) and embedder.count == 24
    assert np.array_equal(np.load(cache), first)
    assert unrelated_vectors("0" * 64, DIM) is None, "those of another network are not used"


@pytest.mark.parametrize("damage", ["cut off", "another width", "another type", "empty", "text"])
def test_a_damaged_file_is_made_again(cache: Path, damage: str) -> None:
    good = unrelated_vectors(FINGERPRINT, DIM, Counting())
    assert good is not None
    if damage == "cut off":
        cache.write_bytes(cache.read_bytes()[:-100])
    elif damage == "another width":
        np.save(cache, good[:, 1:])
    elif damage == "another type":
        np.save(cache, good.astype(np.float64))
    else:
        cache.write_bytes(b"" if damage == "empty" else b"not an array")
    assert unrelated_vectors(FINGERPRINT, DIM) is None
    again = unrelated_vectors(FINGERPRINT, DIM, Counting())
    assert again is not None and np.array_equal(again, good)
    assert np.array_equal(np.load(cache), good)


def test_a_cache_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PER_KIND", 1)
    (tmp_path / "file").touch()
    monkeypatch.setenv("EMBEDTOOL_CACHE_DIR", str(tmp_path / "file"))
    found = unrelated_vectors(FINGERPRINT, DIM, Counting())
    assert found is not None and found.shape == (12, DIM)


def test_how_many_there_are() -> None:
    assert PER_KIND * len(KINDS) == 600
