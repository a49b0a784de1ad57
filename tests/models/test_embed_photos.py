"""`embed_photos`: row i belongs to input i, whatever the list holds and in whatever order."""

import os
import pickle
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pictures import encoded, picture, save

from embedtool.core.types import Pixels, Reject, Vectors
from embedtool.errors import PhotosMissing, TooManyRejects, UsageError
from embedtool.images.decode import decode_image
from embedtool.models import embed_photos as module
from embedtool.models.backbone import load_backbone
from embedtool.models.embed_photos import (
    Embeddings,
    OnReject,
    embed_inputs,
    embed_photos,
    list_inputs,
)
from embedtool.models.embedder import Embedder, MeanColourEmbedder, NetworkEmbedder

WHOLE = [f"{name}.png" for name in "qfzamkbt"] + [os.fsdecode(b"caf\xe9.png"), "copy of q.png"]
NO_IMAGES = {
    "broken.jpg": ("decode", "broken"),
    "notes.txt": ("decode", "not an image in a supported format"),
    "gone.png": ("read", "No such file or directory"),
    "loop.png": ("read", "Too many levels of symbolic links"),
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of every file in WHOLE and NO_IMAGES."""
    folder = tmp_path_factory.mktemp("embed") / "photos"
    for seed, name in enumerate(WHOLE[:-1]):
        save(folder / name, picture(seed))
    (folder / WHOLE[-1]).write_bytes((folder / WHOLE[0]).read_bytes())
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    (folder / "notes.txt").write_text("no image")
    (folder / "loop.png").symlink_to("loop.png")
    return folder


def alone(path: Path, embedder: Embedder) -> Vectors:
    """The vector (d,) of one file, with no pipeline between."""
    [vector] = embedder.embed(decode_image(path.read_bytes(), embedder.size)[None])
    return np.asarray(vector)


@pytest.fixture(scope="module")
def vectors(photos: Path) -> dict[str, Vectors]:
    """The vector of each file by its name; a row of NaN for what is no image."""
    embedder = MeanColourEmbedder()
    found = {name: alone(photos / name, embedder) for name in WHOLE}
    assert np.array_equal(found["q.png"], found["copy of q.png"])
    different = np.stack([found[name] for name in WHOLE[:-1]])
    assert (different @ different.T - np.eye(len(different))).max() < 0.999
    return found | {name: np.full(embedder.dim, np.nan, np.float32) for name in NO_IMAGES}


def embed(
    names: object, on_reject: OnReject = "raise", *, workers: int | None = None
) -> Embeddings:
    inputs = list_inputs(names)  # type: ignore[arg-type]
    return embed_inputs(inputs, MeanColourEmbedder(), on_reject=on_reject, workers=workers)


def check(found: Embeddings, names: list[str], vectors: dict[str, Vectors]) -> None:
    """The rows are those of these files, in this order."""
    assert [path.name for path in found.paths] == names
    expected = np.stack([vectors[name] for name in names])
    assert found.vectors.dtype == np.float32 and found.kept.dtype == np.int64
    assert np.allclose(found.vectors, expected, atol=1e-6, equal_nan=True)


def test_a_list_keeps_its_order_and_its_repeats(photos: Path, vectors: dict[str, Vectors]) -> None:
    names = [*WHOLE[::-1], "q.png", "q.png", *WHOLE[2:4], "q.png"]
    found = embed([photos / name for name in names])
    check(found, names, vectors)
    assert found.paths == tuple(photos / name for name in names)
    assert found.kept.tolist() == list(range(len(names))) and found.rejects == ()


@settings(max_examples=60)
@given(
    names=st.lists(st.sampled_from([*WHOLE, *NO_IMAGES]), min_size=1, max_size=60),
    on_reject=st.sampled_from(["nan", "skip"]),
    workers=st.integers(1, 8),
)
def test_rows_are_those_of_a_look_up_by_path(
    photos: Path,
    vectors: dict[str, Vectors],
    names: list[str],
    on_reject: OnReject,
    workers: int,
) -> None:
    found = embed([str(photos / name) for name in names], on_reject, workers=workers)
    good = [position for position, name in enumerate(names) if name in WHOLE]
    assert found.kept.tolist() == good
    assert [r.path.name for r in found.rejects] == [n for n in names if n in NO_IMAGES]
    if on_reject == "nan":
        check(found, names, vectors)
    elif good:
        check(found, [names[position] for position in good], vectors)
    else:
        assert found.vectors.shape == (0, MeanColourEmbedder.dim) and found.paths == ()


@pytest.mark.parametrize("kind", [str, Path, os.fsencode])
def test_names_may_be_text_paths_or_bytes_and_relative(
    photos: Path, vectors: dict[str, Vectors], monkeypatch: pytest.MonkeyPatch, kind: type
) -> None:
    monkeypatch.chdir(photos.parent)
    names = ["z.png", os.fsdecode(b"caf\xe9.png"), "a.png"]
    found = embed([kind(os.path.join("photos", name)) for name in names])
    check(found, names, vectors)
    assert found.paths == tuple(photos / name for name in names)
    check(embed(kind("photos/a.png")), ["a.png"], vectors)


class Counting(MeanColourEmbedder):
    def __init__(self) -> None:
        self.batches: list[int] = []

    def embed(self, pixels: Pixels) -> Vectors:
        self.batches.append(len(pixels))
        return super().embed(pixels)


def test_identical_content_is_embedded_once(photos: Path, vectors: dict[str, Vectors]) -> None:
    names = ["q.png", "copy of q.png", "a.png", "q.png"] * 10
    embedder = Counting()
    found = embed_inputs(list_inputs([photos / name for name in names]), embedder, workers=4)
    check(found, names, vectors)
    assert sum(embedder.batches) == 2


def test_raise_tries_every_input_and_names_every_reject(photos: Path) -> None:
    names = ["broken.jpg", "q.png", "gone.png", "a.png", "notes.txt", "loop.png", "broken.jpg"]
    inputs = list_inputs([photos / name for name in names])
    embedder = Counting()
    with pytest.raises(TooManyRejects) as raised:
        embed_inputs(inputs, embedder)
    assert sum(embedder.batches) == 2
    lines = str(raised.value).splitlines()
    assert lines[0] == "expected 7 images; 5 of them cannot be used:"
    assert len(lines) == 6 and '"nan"' in lines[-1] and '"skip"' in lines[-1]
    for line, (name, (stage, reason)) in zip(
        lines[1:5], sorted(NO_IMAGES.items(), key=lambda item: names.index(item[0])), strict=True
    ):
        assert line.startswith(f"{photos / name}: {stage}: ") and reason in line
    rejects = [name for name in names if name in NO_IMAGES]
    assert [reject.path.name for reject in raised.value.rejects] == rejects
    copy = pickle.loads(pickle.dumps(raised.value))  # as a process of joblib hands it over
    assert (str(copy), copy.rejects) == (str(raised.value), raised.value.rejects)


def test_nan_and_skip(photos: Path, vectors: dict[str, Vectors]) -> None:
    names = ["notes.txt", "m.png", "gone.png", "b.png"]
    rejects = tuple(Reject(photos / name, *NO_IMAGES[name]) for name in names if name in NO_IMAGES)
    rows = embed([photos / name for name in names], "nan")
    check(rows, names, vectors)
    left = embed([photos / name for name in names], "skip")
    check(left, ["m.png", "b.png"], vectors)
    assert rows.rejects == left.rejects == rejects
    assert rows.kept.tolist() == left.kept.tolist() == [1, 3]
    assert repr(left) == "Embeddings(2 rows of 49 dimensions, rejects: 2)"


def test_a_folder_stands_sorted_at_its_place_and_its_rejects_do_not_raise(
    photos: Path, vectors: dict[str, Vectors]
) -> None:
    inside = sorted([*WHOLE, "broken.jpg", "loop.png"], key=os.fsencode)
    whole = [name for name in inside if name in WHOLE]
    alone = embed(photos)
    check(alone, whole, vectors)
    assert [reject.path.name for reject in alone.rejects] == ["broken.jpg", "loop.png"]
    assert alone.kept.tolist() == [n for n, name in enumerate(inside) if name in WHOLE]
    mixed = embed([photos / "z.png", photos, f"{photos}/[bm].png", photos / "a.png"])
    check(mixed, ["z.png", *whole, "b.png", "m.png", "a.png"], vectors)
    rows = embed([photos / "gone.png", photos], "nan")
    check(rows, ["gone.png", *inside], vectors)
    with pytest.raises(TooManyRejects) as raised:
        embed([photos, photos / "broken.jpg", f"{photos}/*.txt"])
    assert [reject.path.name for reject in raised.value.rejects] == ["broken.jpg"]


def test_what_is_missing(photos: Path, tmp_path: Path) -> None:
    for names in ("nowhere", "nowhere/", "*.nothing", [photos, "*.nothing"], ""):
        with pytest.raises(PhotosMissing, match="does not exist"):
            embed(names)
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("gone.png", ["gone.png"], ["nowhere"], tmp_path / "link"):
        with pytest.raises(TooManyRejects, match="No such file"):
            embed(name)
    assert embed(tmp_path).vectors.shape == (0, MeanColourEmbedder.dim)


def test_what_is_no_list_of_paths(photos: Path) -> None:
    with pytest.raises(UsageError, match="empty list"):
        embed([])
    for name, said in ((3, "3 (int)"), (None, "None (NoneType)"), ("a\0b.png", "'a\\x00b.png'")):
        with pytest.raises(UsageError) as raised:
            embed([photos / "a.png", name])
        assert f"input 1 is {said}" in str(raised.value)


def test_progress_counts_inputs_and_rejects(photos: Path) -> None:
    calls: list[tuple[int, int, str, int]] = []

    def progress(done: int, total: int, /, *, stage: str, rejected: int = 0) -> None:
        calls.append((done, total, stage, rejected))

    inputs = list_inputs([photos / name for name in ("a.png", "gone.png", "a.png")])
    embed_inputs(inputs, MeanColourEmbedder(), on_reject="nan", progress=progress)
    assert calls == [(1, 3, "embedding", 0), (2, 3, "embedding", 1), (3, 3, "embedding", 1)]


def test_a_progress_that_raises_ends_the_work(photos: Path) -> None:
    def cancel(done: int, total: int, /, *, stage: str, rejected: int = 0) -> None:
        raise InterruptedError("cancelled")

    with pytest.raises(InterruptedError, match="cancelled"):
        embed_inputs(list_inputs([photos / "a.png"] * 500), MeanColourEmbedder(), progress=cancel)
    assert not [t for t in threading.enumerate() if t.name.startswith("embed")]


def test_the_function_embeds_with_the_network_that_is_named(drawn: Path, tmp_path: Path) -> None:
    backbone = load_backbone("builtin")
    names = ["fish/fish-02.jpg", "city/city-01.jpg", "sunset/sunset-03.jpg", "fish/fish-02.jpg"]
    upright = tmp_path / "turned.webp"
    upright.write_bytes(encoded(picture(3), "WEBP"))
    paths = [*(drawn / name for name in names), upright]
    found = embed_photos(paths, model="builtin")
    expected = np.stack([alone(path, NetworkEmbedder(backbone)) for path in paths])
    assert found.paths == tuple(paths)
    assert found.vectors.shape == (5, 1280) and found.vectors.dtype == np.float32
    assert (found.vectors * expected).sum(1).min() > 1 - 1e-5
    similar = found.vectors[:3] @ expected[:3].T
    assert similar.argmax(1).tolist() == [0, 1, 2], "each row is most like its own picture"


def test_what_the_function_refuses(drawn: Path) -> None:
    with pytest.raises(UsageError, match='expected on_reject "raise", "nan" or "skip", received'):
        embed_photos(drawn, model="builtin", on_reject="drop")  # type: ignore[arg-type]
    for options in ({"layer": "block_99"}, {"precision": "half"}):
        with pytest.raises(UsageError, match=r"block_99|half"):
            embed_photos(drawn, model="builtin", **options)  # type: ignore[arg-type]


def test_a_choice_of_network_that_needs_explaining_warns(
    drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = replace(load_backbone("builtin"), note="the built-in network is used")
    monkeypatch.setattr(module, "load_backbone", lambda *_, **__: noted)
    with pytest.warns(UserWarning, match="the built-in network is used") as warned:
        embed_photos(drawn / "city" / "city-01.jpg")
    assert warned[0].filename == __file__
