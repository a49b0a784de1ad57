"""The Keras MobileNetV2, and how to load weights into it. Runs on any Keras backend."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from embedtool.errors import ModelUnavailable
from embedtool.models.model_folder import (
    FINAL_LAYER,
    MOBILENET,
    POOLED,
    ModelFolder,
    weights_digest,
)


def build(alpha: float, size: int) -> keras.Model:
    """Build MobileNetV2 as in keras.applications, without top. Input: (n, s, s, 3) in [-1, 1]."""
    return keras.applications.MobileNetV2(
        input_shape=(size, size, 3), alpha=alpha, include_top=False, weights=None
    )


def load(model: ModelFolder) -> keras.Model:
    """Return the network of a MobileNetV2 model folder, with its weights."""
    network = build(model.alpha, model.size)
    set_tensors(network, model.tensors())
    return network


def get_tensors(network: keras.Model) -> dict[str, npt.NDArray[np.float32]]:
    """Return the weights by "<layer>/<weight>", in the layouts of Keras."""
    return {w.path: np.asarray(w.value, dtype=np.float32) for w in network.weights}


def model_folder(
    path: Path,
    tensors: Mapping[str, npt.NDArray[np.float32]],
    *,
    name: str,
    alpha: float,
    size: int,
    **more: Any,
) -> ModelFolder:
    """Return the content of model.json for a MobileNetV2 with these weights."""
    return ModelFolder(
        path=path,
        name=name,
        architecture=MOBILENET,
        weights=weights_digest(tensors),
        size=size,
        low=-1.0,
        high=1.0,
        layers=layer_channels(build(alpha, size)),
        layer=FINAL_LAYER,
        alpha=alpha,
        **more,
    )


def set_tensors(network: keras.Model, tensors: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Set the weights of a network. Raises ModelUnavailable if a name or a shape does not match."""
    check_shapes(network, {name: values.shape for name, values in tensors.items()})
    for weight in network.weights:
        weight.assign(tensors[weight.path])


def check_shapes(network: keras.Model, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ModelUnavailable if the names and shapes are not those of the weights of a network."""
    expected = {w.path: tuple(w.shape) for w in network.weights}
    if expected.keys() != shapes.keys():
        odd = sorted(expected.keys() ^ shapes.keys())
        raise ModelUnavailable(
            f"expected the weights of a MobileNetV2, received names that do not match: {odd[:3]}"
        )
    for name, shape in expected.items():
        if shape != shapes[name]:
            raise ModelUnavailable(f"expected {name} of shape {shape}, received {shapes[name]}")


def layer_channels(network: keras.Model) -> dict[str, int]:
    """Return the layers that can be pooled: name -> channels, in the order of the network."""
    return {
        layer.name: int(layer.output.shape[-1])
        for layer in network.layers[1:]
        if len(layer.output.shape) == 4 and "pad" not in layer.name
    }


def embedding_model(
    model: ModelFolder, layer: str, *, dtype: str = "uint8", pooling: str = POOLED
) -> keras.Model:
    """Return a model: pixels (n, s, s, 3) in [0, 255] -> layer average (n, d), not normalised.

    The average is global. With pooling UNPOOLED, the model returns the whole output (n, h, w, d) of
    the layer. The layers have explicit names, because Keras would number them, and the same network
    would compile to different bytes each time.
    """
    pixels = keras.Input((model.size, model.size, 3), dtype=dtype)
    floats = keras.ops.cast(pixels, "float32") if dtype != "float32" else pixels
    scale = keras.layers.Rescaling((model.high - model.low) / 255, model.low, name="scale")
    scaled = scale(floats)
    if model.architecture == MOBILENET:
        network = load(model)
        part = keras.Model(network.input, network.get_layer(layer).output, name="part")
        features = part(scaled)
        if pooling == POOLED:
            features = keras.layers.GlobalAveragePooling2D(name="pool")(features)
        return keras.Model(pixels, features, name="embed")
    from embedtool.models.saved_model import SavedModelLayer

    return keras.Model(pixels, SavedModelLayer(model.checked_saved_model())(scaled))


def from_hub_names(variables: Iterable[Any]) -> dict[str, npt.NDArray[np.float32]] | None:
    """Return the weights of a TF Hub MobileNetV2 by Keras name, or None for another network.

    MobilenetV2/expanded_conv_3/depthwise/depthwise_weights -> block_3_depthwise/kernel, and so on;
    the classifier's own variables are left out.
    """
    tensors = {}
    for variable in variables:
        name = variable.name.split(":")[0]
        if re.search(r"/(Logits|predictions)/", name):
            continue
        own = keras_name(name)
        if own is None:
            return None
        tensors[own] = variable.numpy().astype(np.float32)
    return tensors


def keras_name(name: str) -> str | None:
    """Return the Keras name of a variable of a TF Hub MobileNetV2, None for another variable."""
    match = re.fullmatch(
        r"MobilenetV2/(?:(Conv|Conv_1)|expanded_conv(?:_(\d+))?/(expand|depthwise|project))"
        r"/(?:(?:depthwise_)?weights|BatchNorm/(gamma|beta|moving_mean|moving_variance))",
        name,
    )
    if match is None:
        return None
    stem, block, part, norm = match.groups()
    if stem == "Conv":
        return f"bn_Conv1/{norm}" if norm else "Conv1/kernel"
    if stem == "Conv_1":
        return f"Conv_1_bn/{norm}" if norm else "Conv_1/kernel"
    layer = f"block_{block}_{part}" if block else f"expanded_conv_{part}"
    return f"{layer}_BN/{norm}" if norm else f"{layer}/kernel"


def alpha_of(tensors: Mapping[str, npt.NDArray[np.float32]]) -> float | None:
    """Return the width multiplier whose network has these shapes, or None."""
    shapes = {name: values.shape for name, values in tensors.items()}
    for alpha in (1.0, 0.75, 0.5, 0.35, 1.3, 1.4):
        if {w.path: tuple(w.shape) for w in build(alpha, 96).weights} == shapes:
            return alpha
    return None
