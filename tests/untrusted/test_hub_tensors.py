"""The published modules of MobileNetV2 are read from their checkpoints by name, and never run."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.stranger_models import (
    hub_folder_of,
    hub_name,
    write_checkpoint,
    write_program,
)
from support.tensorflow_jobs import jobs_here as jobs_here

from embedtool.errors import ModelMismatch, ModelUnavailable
from embedtool.models import load_backbone, reopen
from embedtool.models.find_model import CLASSIFIER_HANDLE, FULL_HANDLE
from embedtool.models.imagenet_head import imagenet_head

LOGITS = "MobilenetV2/Logits/Conv2d_1c_1x1"
DEPTHWISE = "MobilenetV2/expanded_conv_3/depthwise/depthwise_weights"
ONE_MORE = "MobilenetV2/expanded_conv_17/expand/weights"
Tensors = dict[str, np.ndarray]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("jobs_here")]


@pytest.fixture(scope="module")
def build() -> Callable[[float, int], Any]:
    """Return `mobilenet.build`, which takes a second, with a memory."""
    from embedtool.models import mobilenet

    return cache(mobilenet.build)


@pytest.fixture(scope="module")
def variables(build: Callable[[float, int], Any]) -> Tensors:
    """Every variable of the published classifier, by name, with random values."""
    random = np.random.default_rng(0)
    network = build(1.0, 224)
    shapes = {hub_name(weight.path): tuple(weight.shape) for weight in network.weights}
    shapes |= {f"{LOGITS}/weights": (1, 1, 1280, 1001), f"{LOGITS}/biases": (1001,)}
    return {name: random.random(shape, np.float32) for name, shape in shapes.items()}


@pytest.fixture
def hub(
    build: Callable[[float, int], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An empty cache of TF Hub, and an empty cache of embedtool."""
    monkeypatch.setattr("embedtool.models.mobilenet.build", build)
    monkeypatch.setenv("EMBEDTOOL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    return tmp_path / "hub"


def write_module(hub: Path, handle: str, variables: Tensors) -> Path:
    """Write a module whose graph writes a file, with these variables. Return the file."""
    module, written = hub_folder_of(handle, hub), hub.parent / "written"
    write_program(module, written)
    write_checkpoint(module, variables)
    return written


def test_the_tensors_of_a_module_are_read_and_its_graph_does_not_run(
    hub: Path, variables: Tensors
) -> None:
    written = write_module(hub, FULL_HANDLE, variables)
    write_module(hub, CLASSIFIER_HANDLE, variables)
    network = load_backbone("mobilenet_v2")
    tensors = network.folder.tensors()
    assert len(tensors) == 260
    assert all(np.array_equal(tensors[name], variables[hub_name(name)]) for name in tensors)
    assert load_backbone(CLASSIFIER_HANDLE).fingerprint == network.fingerprint
    head = imagenet_head(network.recipe)
    assert np.array_equal(head.weights, variables[f"{LOGITS}/weights"][0, 0].T[1:])
    assert np.array_equal(head.bias, variables[f"{LOGITS}/biases"][1:])
    assert not written.exists()


def test_a_module_of_other_weights_does_not_serve_an_index(hub: Path, variables: Tensors) -> None:
    recipe = load_backbone("builtin").recipe
    written = write_module(hub, FULL_HANDLE, variables)
    for handle in ("mobilenet_v2", FULL_HANDLE):
        with pytest.raises(ModelMismatch, match="no longer the model"):
            reopen(handle, recipe)
    assert not written.exists()


def without(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {own: values for own, values in tensors.items() if own != name}


MUTANTS: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "missing": (without(DEPTHWISE), r"names that do not match: \['block_3_depthwise/kernel'\]"),
    "shape": (
        lambda tensors: tensors | {DEPTHWISE: np.zeros((5, 5, 144, 1), np.float32)},
        r"block_3_depthwise/kernel of shape \(3, 3, 144, 1\), received \(5, 5, 144, 1\)",
    ),
    "type": (
        lambda tensors: tensors | {DEPTHWISE: tensors[DEPTHWISE].astype(np.float64)},
        r"names that do not match: \['block_3_depthwise/kernel'\]",
    ),
    "text": (
        lambda tensors: tensors | {DEPTHWISE: np.array([b"text"])},
        r"names that do not match: \['block_3_depthwise/kernel'\]",
    ),
    "one block more": (
        lambda tensors: tensors | {ONE_MORE: np.zeros(1, np.float32)},
        r"names that do not match: \['block_17_expand/kernel'\]",
    ),
    "another network": (
        lambda tensors: {f"other/{name}": values for name, values in tensors.items()},
        "names that do not match",
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_module_of_another_network_is_refused(hub: Path, variables: Tensors, mutant: str) -> None:
    change, message = MUTANTS[mutant]
    write_checkpoint(hub_folder_of(FULL_HANDLE, hub), change(variables))
    with pytest.raises(ModelUnavailable, match=message):
        load_backbone("mobilenet_v2")


def test_a_module_without_its_classifier_is_refused(hub: Path, variables: Tensors) -> None:
    module = hub_folder_of(CLASSIFIER_HANDLE, hub)
    write_checkpoint(hub_folder_of(FULL_HANDLE, hub), variables)
    recipe = load_backbone("mobilenet_v2").recipe
    wrong = variables | {f"{LOGITS}/biases": np.zeros(7, np.float32)}
    for tensors in (without(f"{LOGITS}/weights")(variables), wrong):
        write_checkpoint(module, tensors)
        with pytest.raises(ModelUnavailable, match="expected the classifier"):
            imagenet_head(recipe)
    other = variables | {DEPTHWISE: variables[DEPTHWISE] + 1}
    write_checkpoint(module, other)
    with pytest.raises(ModelMismatch, match="naming by ImageNet needs vectors of mobilenet_v2"):
        imagenet_head(recipe)


@pytest.mark.parametrize("file", ["variables.index", "variables.data-00000-of-00001"])
@pytest.mark.parametrize("size", [0, 100, -100, None])
def test_a_damaged_checkpoint_is_refused(
    hub: Path, variables: Tensors, file: str, size: int | None
) -> None:
    """size: the bytes to keep, or to leave out if negative; None deletes the file."""
    module = hub_folder_of(FULL_HANDLE, hub)
    write_checkpoint(module, variables)
    damaged = module / "variables" / file
    if size is None:
        damaged.unlink()
    else:
        os.truncate(damaged, size % damaged.stat().st_size)
    with pytest.raises(ModelUnavailable, match="cannot read the checkpoint"):
        load_backbone("mobilenet_v2")
    assert not (hub.parent / "cache" / "models" / "mobilenet_v2").exists()
