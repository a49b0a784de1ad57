"""Every way to a network leads to the same numbers, or says why it cannot."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command import embedtool
from support.pictures import encoded, picture
from support.shared import SHARED
from support.tensorflow_jobs import jobs_here as jobs_here

from embedtool.errors import ModelMismatch, ModelOffline, ModelUnavailable, UsageError
from embedtool.images.decode import decode_image
from embedtool.models import load_backbone, reopen
from embedtool.models.embedder import NetworkEmbedder
from embedtool.models.find_model import BUILTIN, FULL_HANDLE
from embedtool.models.library import import_model
from embedtool.models.model_folder import ModelFolder, read_folder, weights_digest, write_folder

MIDDLE = "block_6_expand_relu"


def pixels(size: int, count: int = 6) -> np.ndarray:
    return np.stack([decode_image(encoded(picture(seed), "PNG"), size) for seed in range(count)])


def worst(a: np.ndarray, b: np.ndarray) -> float:
    return float(1 - (a * b).sum(1).min())


@pytest.mark.slow
@pytest.mark.parametrize("layer", [None, MIDDLE, "block_3_project_BN"])
def test_litert_equals_tensorflow(layer: str | None) -> None:
    backbone = load_backbone("builtin", layer=layer, precision="float32")
    lite = NetworkEmbedder(backbone).embed(pixels(96))
    reference = NetworkEmbedder(backbone, runtime="tensorflow").embed(pixels(96))
    assert lite.shape == (6, backbone.dim)
    assert worst(lite, reference) < 1e-4


@pytest.mark.slow
def test_a_random_student_is_converted_within_1e_4(tmp_path: Path) -> None:
    from embedtool.models import mobilenet

    student = mobilenet.build(0.35, 64)
    random = np.random.default_rng(0)
    tensors = {
        name: (np.abs(values) if "variance" in name else values)
        + random.uniform(0.01, 0.1, values.shape).astype(np.float32)
        for name, values in mobilenet.get_tensors(student).items()
    }
    mobilenet.set_tensors(student, tensors)
    model = ModelFolder(
        path=tmp_path,
        name="student",
        architecture="mobilenet_v2",
        weights=weights_digest(tensors),
        size=64,
        low=-1.0,
        high=1.0,
        layers=mobilenet.layer_channels(student),
        layer="out_relu",
        alpha=0.35,
    )
    write_folder(model, tensors)
    got = NetworkEmbedder(load_backbone(str(tmp_path))).embed(pixels(64))
    own = np.asarray(student(pixels(64) / np.float32(127.5) - 1)).mean((1, 2))
    assert worst(got, own / np.linalg.norm(own, axis=1, keepdims=True)) < 1e-4


def offline(tmp_path: Path) -> dict[str, str]:
    return {
        "EMBEDTOOL_CACHE_DIR": str(tmp_path / "cache"),
        "TFHUB_CACHE_DIR": str(tmp_path / "hub"),
        "KERAS_HOME": str(tmp_path / "keras"),
    }


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.usefixtures("jobs_here")
def test_an_imported_model_serves_offline(
    hub_module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load_backbone("mobilenet_v2").fingerprint
    for name, value in offline(tmp_path).items():
        monkeypatch.setenv(name, value)
    assert import_model(hub_module).spec == "mobilenet_v2"
    assert load_backbone("mobilenet_v2").fingerprint == expected
    assert load_backbone("auto").spec == "mobilenet_v2"


@pytest.mark.shared
@pytest.mark.slow
def test_hub_route_equals_keras_route(
    hub_module: Path, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "empty"))
    hub = load_backbone("mobilenet_v2")
    monkeypatch.setenv("EMBEDTOOL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "empty"))
    monkeypatch.setenv("KERAS_HOME", str(own_cache / "keras"))
    keras = load_backbone("mobilenet_v2")
    by_hub, by_keras = hub.folder.tensors(), keras.folder.tensors()
    assert by_hub.keys() == by_keras.keys()
    assert all(np.array_equal(by_hub[name], by_keras[name]) for name in by_hub)
    # The same weights are the same model, however they came.
    assert hub.fingerprint == keras.fingerprint


@pytest.mark.shared
@pytest.mark.slow
def test_the_full_network_in_litert_equals_tensorflow(hub_module: Path) -> None:
    for layer in (None, MIDDLE):
        backbone = load_backbone("mobilenet_v2", layer=layer)
        lite = NetworkEmbedder(backbone).embed(pixels(224, 3))
        reference = NetworkEmbedder(backbone, runtime="tensorflow").embed(pixels(224, 3))
        assert worst(lite, reference) < 1e-4


@pytest.mark.shared
@pytest.mark.slow
def test_our_network_equals_the_module_it_was_read_from(hub_module: Path) -> None:
    import tensorflow as tf

    module = tf.saved_model.load(str(hub_module)).signatures["serving_default"]
    [raw] = module(inputs=tf.constant(pixels(224, 3) / np.float32(255))).values()
    raw = np.asarray(raw)
    got = NetworkEmbedder(load_backbone(FULL_HANDLE)).embed(pixels(224, 3))
    assert worst(got, raw / np.linalg.norm(raw, axis=1, keepdims=True)) < 1e-4


def test_int8_stays_close_to_float32() -> None:
    small = NetworkEmbedder(load_backbone("builtin")).embed(pixels(96, 20))
    full = NetworkEmbedder(load_backbone("builtin", precision="float32")).embed(pixels(96, 20))
    assert worst(small, full) < 0.06


def test_nine_orientations_give_one_vector() -> None:
    from support.pictures import TURNS, with_orientation

    upright = picture(7, (320, 240))
    files = [encoded(upright, "PNG"), *(with_orientation(upright, t, "PNG") for t in TURNS)]
    assert len(files) == 9
    embedder = NetworkEmbedder(load_backbone("builtin"))
    rows = embedder.embed(np.stack([decode_image(data, embedder.size) for data in files]))
    assert worst(rows, np.repeat(rows[:1], 9, 0)) < 1e-3


@pytest.mark.slow
@pytest.mark.usefixtures("jobs_here")
def test_any_saved_model_is_an_opaque_embedder(tmp_path: Path) -> None:
    import tensorflow as tf

    served: Callable[[Callable[..., Any]], Callable[..., Any]] = tf.function(
        input_signature=[tf.TensorSpec((None, 64, 64, 3), tf.float32)]
    )

    class Thirds(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weight = tf.Variable([[1.0, 0, 0], [0, 2.0, 0], [0, 0, 3.0]])

        @served
        def __call__(self, images: tf.Tensor) -> tf.Tensor:
            return tf.reduce_mean(images, (1, 2)) @ self.weight

    thirds = Thirds()
    tf.saved_model.save(thirds, str(tmp_path / "thirds"), signatures=thirds.__call__)
    backbone = load_backbone(str(tmp_path / "thirds"))
    assert (backbone.recipe.size, backbone.dim, backbone.recipe.low) == (64, 3, 0.0)
    images = np.zeros((1, 64, 64, 3), np.uint8)
    images[..., :] = (255, 51, 0)
    got = NetworkEmbedder(backbone).embed(images)
    expected = np.array([1.0, 0.4, 0.0])
    assert np.allclose(got[0], expected / np.linalg.norm(expected), atol=1e-5)
    with pytest.raises(UsageError, match="expected a layer of"):
        load_backbone(str(tmp_path / "thirds"), layer="block_1_expand")


def test_offline_says_so_in_one_line_with_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in offline(tmp_path).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ModelOffline) as caught:
        load_backbone("mobilenet_v2")
    text = str(caught.value)
    assert "\n" not in text
    for way in ("--model builtin", "TFHUB_CACHE_DIR", "embedtool model import PATH"):
        assert way in text
    with pytest.raises(ModelOffline):
        load_backbone("https://tfhub.dev/google/nnlm/9")
    backbone = load_backbone("auto")
    assert backbone.spec == "builtin" and "mobilenet_v2" in backbone.note


@pytest.mark.shared
@pytest.mark.slow
def test_auto_takes_the_full_network_where_it_is_at_hand(hub_module: Path) -> None:
    backbone = load_backbone("auto")
    assert (backbone.spec, backbone.note) == ("mobilenet_v2", "")


def test_the_fingerprint_changes_with_all_that_changes_a_vector() -> None:
    base = load_backbone("builtin")
    others = [
        load_backbone("builtin", layer=MIDDLE),
        load_backbone("builtin", precision="float32"),
        replace(base, recipe=replace(base.recipe, decode="another")),
        replace(base, recipe=replace(base.recipe, size=128)),
    ]
    prints = {base.fingerprint, *(other.fingerprint for other in others)}
    assert len(prints) == 5 and all(len(p) == 64 for p in prints)


def test_unknown_specs_layers_and_precisions() -> None:
    wrong: list[tuple[Callable[[], object], str]] = [
        (lambda: load_backbone("resnet"), "embedtool model list"),
        (lambda: load_backbone("builtin", layer="block_99"), "embedtool model info builtin"),
        (lambda: load_backbone("builtin", precision="int4"), "float32 or int8"),
    ]
    for call, text in wrong:
        with pytest.raises(UsageError, match=text):
            call()
    with pytest.raises(UsageError, match="runtime"):
        NetworkEmbedder(load_backbone("builtin"), runtime="onnx")


def test_a_model_folder_with_other_weights_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(BUILTIN, folder)
    data = bytearray((folder / "weights.safetensors").read_bytes())
    data[-5] ^= 64
    (folder / "weights.safetensors").write_bytes(data)
    with pytest.raises(ModelUnavailable, match="digests differ"):
        read_folder(folder).tensors()
    (folder / "model.json").write_text("{}")
    with pytest.raises(ModelUnavailable, match="expected a model folder"):
        load_backbone(str(folder))
    card = json.loads((BUILTIN / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(card | {"format": 9}))
    with pytest.raises(ModelUnavailable, match="format 9"):
        load_backbone(str(folder))


@pytest.mark.slow
def test_a_damaged_compiled_model_is_compiled_again(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_backbone("builtin", precision="float32").compiled()
    shutil.copytree(own_cache / "compiled", tmp_path / "compiled")
    monkeypatch.setenv("EMBEDTOOL_CACHE_DIR", str(tmp_path))
    backbone = load_backbone("builtin", precision="float32")
    file = backbone.compiled()
    good = file.read_bytes()
    file.write_bytes(good[:-100])
    assert backbone.compiled().read_bytes() == good  # compiling is the same each time


def test_the_shipped_file_is_the_one_its_card_names() -> None:
    model = read_folder(BUILTIN)
    assert weights_digest(model.tensors()) == model.weights
    assert load_backbone("builtin").compiled() == BUILTIN / "int8.tflite"
    assert sum(f.stat().st_size for f in BUILTIN.iterdir()) < 5_500_000


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared for the other model")
def test_another_model_is_refused_with_the_command_that_mends_it(
    drawn: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    assert embedtool("index", drawn, "--index", index, "--model", "builtin").code == 0
    for extra in (["--model", "mobilenet_v2"], ["--precision", "float32"], ["--layer", MIDDLE]):
        done = embedtool("index", drawn, "--index", index, *extra)
        assert done.code == 5
        assert "embedtool index PHOTOS --model" in done.err and "Traceback" not in done.err
    assert embedtool("index", drawn, "--index", index, "--model", "builtin").code == 0
    with pytest.raises(ModelMismatch, match="no longer the model"):
        old = load_backbone("builtin").recipe
        reopen("builtin", replace(old, weights="0" * 64))
    assert os.listdir(index / "vectors") == ["000001.npy"]


def test_a_folder_of_another_kind_may_have_the_name_of_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "builtin").mkdir()
    assert load_backbone("builtin").spec == "builtin"
    shutil.copytree(BUILTIN, tmp_path / "mine")
    assert load_backbone("mine").spec == str(tmp_path / "mine")
