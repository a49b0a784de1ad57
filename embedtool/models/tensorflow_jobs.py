"""Jobs that need TensorFlow: import models of other formats, and compile models to LiteRT.

They run in a child process, `python -m embedtool.models.tensorflow_jobs JOB`, so that TensorFlow's
memory, threads and log lines stay out of the process that indexes. The last line of stdout is the
answer, as JSON. A process that has already loaded TensorFlow compiles by itself.
"""

import hashlib
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from safetensors.numpy import save

from embedtool.core.atomic_files import publish_folder, write_json
from embedtool.core.own_process import quiet_stderr
from embedtool.core.types import unit_rows
from embedtool.errors import EmbedtoolError, ModelOffline, ModelUnavailable
from embedtool.models import golden, hub_tensors, int8_calibration, mobilenet
from embedtool.models.cache import hub_folder
from embedtool.models.find_model import FULL_HANDLE
from embedtool.models.model_folder import (
    POOLED,
    SAVED_MODEL,
    ModelFolder,
    files_digest,
    read_folder,
    weights_digest,
    write_folder,
)
from embedtool.models.saved_model import saved_callable

NETWORK_TIMEOUT = 20.0  # seconds without an answer before a download fails
PARITY = {"float32": 1e-4, "int8": 0.1}  # largest 1 - cosine allowed after compiling


def import_mobilenet(handle: str, name: str, target: str) -> None:
    """Import a published module of the full MobileNetV2. Its tensors are read; it does not run.

    If the feature vector cannot be fetched, import it from keras.applications."""
    try:
        tensors = hub_tensors.network_tensors(Path(_fetched(handle)))
    except ModelOffline as hub_error:
        if handle != FULL_HANDLE:
            raise
        try:
            full = keras.applications.MobileNetV2(
                input_shape=(224, 224, 3), include_top=False, weights="imagenet"
            )
        except Exception as error:  # keras raises bare Exception for a failed download
            raise ModelOffline(
                f"{hub_error}. The download from keras.applications failed too: {error}"
            ) from error
        tensors = mobilenet.get_tensors(full)
    _publish_mobilenet(tensors, hub_tensors.ALPHA, hub_tensors.SIZE, name, Path(target))


def import_handle(handle: str, name: str, target: str) -> None:
    """Import any TF Hub handle that the user named as a model folder."""
    import_saved_model(_fetched(handle), name, target, _size_in(handle))


def import_saved_model(path: str, name: str, target: str, size: int = 0) -> None:
    """Run a SavedModel. Import it as our MobileNetV2 if the outputs agree, else as an opaque
    embedder."""
    call, saved = saved_callable(path)
    size = size or _declared_size(saved) or 224
    tensors = mobilenet.from_hub_names(saved.variables) if hasattr(saved, "variables") else None
    alpha = mobilenet.alpha_of(tensors) if tensors else None
    pixels = golden.pixels(size)
    raw = np.asarray(call(tf.constant(pixels / np.float32(255))))
    if raw.ndim != 2:
        raise ModelUnavailable(
            f"expected one vector per image from {path}, received shape {raw.shape}. Use a "
            "feature_vector module"
        )
    if tensors and alpha:
        own = mobilenet.build(alpha, size)
        mobilenet.set_tensors(own, tensors)
        pooled = np.asarray(own(pixels / np.float32(127.5) - 1)).mean((1, 2))
        same = raw.shape == pooled.shape and _worst(raw, pooled) < PARITY["float32"]
        if same or raw.shape[1] == 1001:  # a classification module: its features are below its top
            _publish_mobilenet(tensors, alpha, size, name, Path(target))
            return
    with publish_folder(Path(target)) as draft:
        write_folder(
            ModelFolder(
                path=draft,
                name=name,
                architecture=SAVED_MODEL,
                weights=files_digest(Path(path)),
                size=size,
                low=0.0,
                high=1.0,
                layers={"output": int(raw.shape[1])},
                layer="output",
                saved_model=os.path.abspath(path),
            )
        )


def _fetched(handle: str) -> str:
    """Return the folder of a TF Hub module, downloaded if not cached. Raises ModelOffline."""
    os.environ["TFHUB_CACHE_DIR"] = str(hub_folder())
    socket.setdefaulttimeout(NETWORK_TIMEOUT)
    import tensorflow_hub as hub

    try:
        return str(hub.resolve(handle))
    except Exception as error:  # the network, the archive and the cache may raise anything
        raise ModelOffline(f"{handle} cannot be fetched: {error}") from error


def _publish_mobilenet(
    tensors: dict[str, np.ndarray], alpha: float, size: int, name: str, target: Path
) -> None:
    with publish_folder(target) as draft:
        model = mobilenet.model_folder(draft, tensors, name=name, alpha=alpha, size=size)
        write_folder(model, tensors)


def import_head(handle: str, target: str) -> None:
    """Import the ImageNet classifier of a TF Hub module, and record which network it belongs to."""
    module = Path(_fetched(handle))
    tensors = hub_tensors.classifier_tensors(module)
    card = {
        "handle": handle,
        "features": weights_digest(hub_tensors.network_tensors(module)),
        "sha256": weights_digest(tensors),
    }
    with publish_folder(Path(target)) as draft:
        (draft / "head.safetensors").write_bytes(save(tensors))
        write_json(draft / "head.json", card)


def compile_folder(
    folder: str, layer: str, precision: str, pooling: str, target: str, about: dict[str, Any]
) -> None:
    """Compile the output of a layer to `target`/model.tflite, checked against Keras."""
    with publish_folder(Path(target)) as draft:
        content = to_litert(read_folder(Path(folder)), layer, precision, pooling=pooling)
        (draft / "model.tflite").write_bytes(content)
        about = {**about, "sha256": hashlib.sha256(content).hexdigest()}
        (draft / "compiled.json").write_text(json.dumps(about, indent=1), "utf-8")


def to_litert(model: ModelFolder, layer: str, precision: str, *, pooling: str = POOLED) -> bytes:
    """Compile to LiteRT: uint8 (n, s, s, 3) -> float32 (n, d), or (n, h, w, d) if not pooled.

    Raises ModelUnavailable if the compiled model and Keras disagree on the reference images.
    """
    from embedtool.models.litert import LiteRTNetwork

    dtype = "uint8" if precision == "float32" else "float32"
    embed = mobilenet.embedding_model(model, layer, dtype=dtype, pooling=pooling)
    signature = [tf.TensorSpec((None, model.size, model.size, 3), dtype)]
    graph = tf.function(embed, input_signature=signature, autograph=False)
    function = graph.get_concrete_function()
    with quiet_stderr():
        # A conversion from a Keras model writes and reads a SavedModel first: six times as long.
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
        if precision == "int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: _calibration(model.size)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
        content: bytes = converter.convert()
    pixels = golden.pixels(model.size)
    reference = np.asarray(embed(pixels.astype(dtype)))
    off = _worst(LiteRTNetwork(content).forward(pixels), reference)
    if off > PARITY[precision]:
        raise ModelUnavailable(
            f"expected the vectors of {model.name} compiled with {precision} to be within a cosine "
            f"distance of {PARITY[precision]:g} of those of Keras, received {off:.2g}. Use another "
            "--precision or --layer"
        )
    return content


def _calibration(size: int) -> Iterator[list[np.ndarray]]:
    for pixels in int8_calibration.pixels(size):
        yield [pixels[None].astype(np.float32)]


def _worst(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest 1 - cosine between rows of (n, ...)."""
    one, other = (unit_rows(rows.reshape(len(rows), -1)) for rows in (a, b))
    return float(1 - (one * other).sum(1).min())


def _size_in(handle: str) -> int:
    """Return the input size in a handle, or 0: mobilenet_v2_100_224/feature_vector/5 -> 224."""
    sizes = [
        int(p) for p in handle.replace("/", "_").split("_") if p.isdigit() and 64 <= int(p) < 1024
    ]
    return sizes[-1] if sizes else 0


def _declared_size(saved: Any) -> int:
    for signature in getattr(saved, "signatures", {}).values():
        for spec in signature.structured_input_signature[1].values():
            if len(spec.shape) == 4 and spec.shape[1]:
                return int(spec.shape[1])
    return 0


JOBS: dict[str, Callable[..., None]] = {
    "import_mobilenet": import_mobilenet,
    "import_handle": import_handle,
    "import_saved_model": import_saved_model,
    "import_head": import_head,
    "compile_folder": compile_folder,
}


def main(job: str) -> None:
    request = json.loads(job)
    answer = {}
    try:
        JOBS[request.pop("job")](**request)
    except EmbedtoolError as error:
        answer = {"kind": type(error).__name__, "error": str(error)}
    print("\n" + json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1])
