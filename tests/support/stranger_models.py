"""Models as a stranger may make them: programs that write a file, checkpoints of MobileNetV2."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

HUB_NAMES = {  # of the layers and weights that a TF Hub MobileNetV2 names in another way
    "Conv1": "Conv",
    "bn_Conv1": "Conv",
    "Conv_1": "Conv_1",
    "Conv_1_bn": "Conv_1",
}


def write_program(folder: Path, written: Path) -> None:
    """Write a SavedModel, the mean colour of 32 x 32 pixels, that writes a file when it is loaded
    and when it is called."""
    import tensorflow as tf

    class Resource(tf.saved_model.experimental.TrackableResource):  # type: ignore[misc]
        def _create_resource(self) -> Any:
            return tf.raw_ops.HashTableV2(key_dtype=tf.int64, value_dtype=tf.int64)

        def _initialize(self) -> None:
            tf.io.write_file(str(written), "the graph ran")

    class Program(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.resource = Resource()
            self.resource.resource_handle  # noqa: B018 - creates it

        @tf.function(input_signature=[tf.TensorSpec((None, 32, 32, 3), tf.float32)])  # type: ignore[untyped-decorator]
        def __call__(self, images: Any) -> Any:
            return tf.reduce_mean(images, (1, 2))

    program = Program()
    tf.saved_model.save(program, str(folder), signatures=program.__call__)
    written.unlink(missing_ok=True)


def hub_folder_of(handle: str, cache: Path) -> Path:
    """Return where TF Hub keeps the module of a handle."""
    return cache / hashlib.sha1(handle.encode()).hexdigest()


def hub_name(keras_name: str) -> str:
    """Return the name of a weight of MobileNetV2 in a TF Hub module."""
    layer, weight = keras_name.split("/")
    scope = HUB_NAMES.get(layer)
    if scope is None:
        block, part = layer.removesuffix("_BN").rsplit("_", 1)
        scope = f"{block.replace('block', 'expanded_conv')}/{part}"
    if weight != "kernel":
        return f"MobilenetV2/{scope}/BatchNorm/{weight}"
    return f"MobilenetV2/{scope}/{'depthwise_' * scope.endswith('/depthwise')}weights"


def write_checkpoint(module: Path, variables: Mapping[str, np.ndarray]) -> None:
    """Write the checkpoint of a module with variables of these names, in the format of TensorFlow:
    the values have keys, and a table of objects has the names."""
    import tensorflow as tf
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    graph, values = TrackableObjectGraph(), []
    for number, (name, value) in enumerate(variables.items()):
        key = f"variables/{number}/.ATTRIBUTES/VARIABLE_VALUE"
        graph.nodes.add().attributes.add(full_name=name, checkpoint_key=key)
        values.append((key, tf.constant(value)))
    values.append(("_CHECKPOINTABLE_OBJECT_GRAPH", tf.constant(graph.SerializeToString())))
    keys, tensors = zip(*sorted(values), strict=True)
    (module / "variables").mkdir(parents=True, exist_ok=True)
    prefix, parts = str(module / "variables" / "variables"), [""] * len(keys)
    tf.raw_ops.SaveV2(prefix=prefix, tensor_names=keys, shape_and_slices=parts, tensors=tensors)
