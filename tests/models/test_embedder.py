"""The Embedder contract, one harness for every embedder; and the pipeline."""

import hashlib
import os
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import pytest
from support.pictures import encoded, picture

from embedtool.core.types import Pixels, Source, Vectors, unit_rows
from embedtool.errors import EmbedtoolError, ImageRejected, UsageError
from embedtool.images.decode import decode_image
from embedtool.models import load_backbone
from embedtool.models.embed_files import embed_files
from embedtool.models.embedder import Embedder, MeanColourEmbedder, NetworkEmbedder


def make(kind: str) -> Embedder:
    if kind == "fake":
        return MeanColourEmbedder()
    runtime, precision = kind.split()
    return NetworkEmbedder(load_backbone("builtin", precision=precision), runtime=runtime)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fake", "litert int8", "litert float32", "tensorflow float32"])
def test_embedder_contract(kind: str) -> None:
    embedder = make(kind)
    pixels = np.stack(
        [decode_image(encoded(picture(seed), "PNG"), embedder.size) for seed in range(9)]
    )
    rows = embedder.embed(pixels)
    assert rows.shape == (9, embedder.dim) and rows.dtype == np.float32
    assert rows.flags.c_contiguous and np.isfinite(rows).all()
    assert np.allclose((rows**2).sum(1), 1, atol=1e-5)
    assert embedder.batch_size >= 1 and isinstance(embedder.fingerprint, str)
    one_by_one = np.vstack([embedder.embed(image[None]) for image in pixels])
    assert (one_by_one * rows).sum(1).min() > 1 - 1e-5  # no row depends on its batch
    assert (embedder.embed(pixels[::-1])[::-1] * rows).sum(1).min() > 1 - 1e-5
    assert np.abs(rows @ rows.T - np.eye(9)).max() > 0.01  # and pictures differ
    threaded: dict[int, Vectors] = {}
    threads = [
        threading.Thread(target=lambda i=i: threaded.update({i: embedder.embed(pixels[i : i + 1])}))
        for i in range(9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((threaded[i][0] * rows[i]).sum() > 1 - 1e-5 for i in range(9))


def test_the_one_normaliser_refuses_what_has_no_direction() -> None:
    for bad in (0.0, np.nan, np.inf):
        with pytest.raises(EmbedtoolError, match="row 1"):
            unit_rows(np.array([[1.0, 2.0], [bad, 0.0]]))
    given = np.array([[3.0, 4.0]])
    assert unit_rows(given).tolist() == [[np.float32(0.6), np.float32(0.8)]]
    assert given.tolist() == [[3.0, 4.0]]


def written(folder: Path, *contents: bytes) -> list[Source]:
    sources = []
    for number, content in enumerate(contents):
        (folder / f"{number:03}.jpg").write_bytes(content)
        sources.append(Source(os.fsencode(folder), b"%03d.jpg" % number, 0, 0))
    return sources


@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_order_is_kept_and_a_bad_image_touches_no_other(
    tmp_path: Path, workers: int, batch_size: int
) -> None:
    contents = [encoded(picture(seed), "PNG") for seed in range(40)]
    for bad in (0, 7, 8, 9, 20, 39):
        contents[bad] = b"\xff\xd8\xff broken %d" % bad
    sources = written(tmp_path, *contents)
    os.unlink(os.path.join(sources[30].root, sources[30].path))
    embedder = MeanColourEmbedder()
    outcomes = list(
        embed_files(sources, embedder, known=set(), workers=workers, batch_size=batch_size)
    )
    assert [o.source.path for o in outcomes] == [s.path for s in sources]
    for number, outcome in enumerate(outcomes):
        if number == 30:
            assert outcome.reject and outcome.reject.stage == "read"
            assert "No such file" in outcome.reject.reason
        elif number in (0, 7, 8, 9, 20, 39):
            assert outcome.reject and outcome.reject.stage == "decode"
        else:
            pixels = decode_image(contents[number], embedder.size)
            assert outcome.vector is not None
            assert np.allclose(outcome.vector, embedder.embed(pixels[None])[0], atol=1e-6)
            assert outcome.digest == hashlib.sha256(contents[number]).digest()
            assert outcome.source.size == len(contents[number])


class Counting(MeanColourEmbedder):
    def __init__(self) -> None:
        self.seen = 0
        self.lock = threading.Lock()

    def embed(self, pixels: Pixels) -> Vectors:
        with self.lock:
            self.seen += len(pixels)
        return super().embed(pixels)


def test_identical_files_are_embedded_once_even_side_by_side(tmp_path: Path) -> None:
    one, two, known = (encoded(picture(seed), "PNG") for seed in range(3))
    sources = written(tmp_path, one, one, two, one, known, two, *[one] * 20)
    embedder = Counting()
    outcomes = list(
        embed_files(sources, embedder, known={hashlib.sha256(known).digest()}, workers=4)
    )
    assert embedder.seen == 2
    assert [n for n, o in enumerate(outcomes) if o.vector is not None] == [0, 2]
    assert not any(o.reject for o in outcomes)


def test_copies_of_a_broken_file_are_each_rejected(tmp_path: Path) -> None:
    sources = written(tmp_path, *[b"\x89PNG\r\n\x1a\n broken"] * 5)
    outcomes = list(embed_files(sources, MeanColourEmbedder(), known=set(), workers=3))
    assert [o.reject.stage for o in outcomes if o.reject] == ["decode"] * 5


class Blind(MeanColourEmbedder):
    """Has no vector for a black picture, as a network of ReLUs may."""

    def embed(self, pixels: Pixels) -> Vectors:
        return unit_rows(pixels.reshape(len(pixels), -1).astype(np.float32))


def test_a_picture_without_a_vector_is_rejected_alone(tmp_path: Path) -> None:
    from PIL import Image

    black = encoded(Image.new("RGB", (9, 9)), "PNG")
    sources = written(tmp_path, encoded(picture(1), "PNG"), black, encoded(picture(2), "PNG"))
    outcomes = list(embed_files(sources, Blind(), known=set(), batch_size=8))
    assert [o.reject.stage if o.reject else "" for o in outcomes] == ["", "embed", ""]


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_bad_rows_of_one_batch_are_each_rejected(tmp_path: Path, batch_size: int) -> None:
    from PIL import Image

    black = [encoded(Image.new("RGB", (side, side)), "PNG") for side in (8, 9, 10)]
    sources = written(tmp_path, black[0], black[1], encoded(picture(1), "PNG"), black[2])
    outcomes = list(embed_files(sources, Blind(), known=set(), batch_size=batch_size))
    assert [o.reject.stage if o.reject else "" for o in outcomes] == ["embed", "embed", "", "embed"]


class Failing(MeanColourEmbedder):
    def embed(self, pixels: Pixels) -> Vectors:
        raise RuntimeError("the model itself is broken")


def test_a_fault_of_the_model_is_raised_and_nobody_waits_for_ever(tmp_path: Path) -> None:
    sources = written(tmp_path, *[encoded(picture(1), "PNG")] * 50)
    with pytest.raises(RuntimeError, match="the model itself"):
        list(embed_files(sources, Failing(), known=set(), workers=4))


def test_the_look_ahead_is_bounded(tmp_path: Path) -> None:
    sources = written(tmp_path, *[encoded(picture(seed), "PNG") for seed in range(200)])
    taken = 0

    def counted() -> Iterator[Source]:
        nonlocal taken
        for source in sources:
            taken += 1
            yield source

    outcomes = embed_files(counted(), MeanColourEmbedder(), known=set(), workers=2, batch_size=4)
    next(outcomes)
    assert taken <= 2 * 3 * 8
    assert isinstance(outcomes, Generator)
    outcomes.close()


def test_a_pipe_is_rejected_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    source = Source(os.fsencode(tmp_path), b"pipe.jpg", 0, 0)
    [outcome] = embed_files([source], MeanColourEmbedder(), known=set())
    assert isinstance(outcome.reject, ImageRejected)
    assert outcome.reject.reason == "not a regular file"


def test_workers_and_batch_size_must_be_positive() -> None:
    for workers, batch_size in ((-1, None), (None, -2)):
        with pytest.raises(UsageError, match="at least 1"):
            list(
                embed_files(
                    [], MeanColourEmbedder(), known=set(), workers=workers, batch_size=batch_size
                )
            )
