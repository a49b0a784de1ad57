"""The available networks: list them, show a model card, import one."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from embedtool.core.atomic_files import publish_folder
from embedtool.core.types import PathLike
from embedtool.errors import UsageError
from embedtool.models.backbone import Backbone, load_backbone
from embedtool.models.find_model import (
    BUILTIN,
    FULL,
    imported_folder,
    imported_models,
    model_of_user,
)
from embedtool.models.model_folder import MOBILENET, ModelFolder, read_folder, write_folder

RESERVED = ("auto", "builtin")


def model_info(model: str = "auto") -> dict[str, Any]:
    """Return the model card of a network: origin, fingerprint, layers and measured quality.

    "dim" is the length of a vector, "size" the side of the network's input in pixels, and "layers"
    the number of channels of each layer that can be pooled.

    model: as in `embed_photos`. A SavedModel that has not been imported does not run; it raises
    ModelUnavailable, with the command that imports it. Raises ModelOffline.

    >>> card = embedtool.model_info("builtin")
    >>> card["dim"], card["size"], card["layers"]["out_relu"]
    (1280, 96, 1280)
    """
    backbone = load_backbone(model, run=False)
    folder = backbone.folder
    return {
        "model": backbone.spec,
        **({"note": backbone.note} if backbone.note else {}),
        "architecture": folder.architecture,
        "alpha": folder.alpha,
        "size": folder.size,
        "range": [folder.low, folder.high],
        "dim": backbone.dim,
        "precision": backbone.precision,
        "fingerprint": backbone.fingerprint,
        "weights_sha256": folder.weights,
        **({"card": folder.card} if folder.card else {}),
        "layers": folder.layers,
    }


def import_model(path: PathLike, name: str | None = None) -> Backbone:
    """Import a MobileNetV2, from a SavedModel or a model folder, into the user cache under a name.

    The default name is mobilenet_v2 for a SavedModel of the full MobileNetV2, and the name of the
    folder for others. A SavedModel of another architecture stays where it is. A SavedModel is a
    program, and it runs: import one only if you trust it. Indexes made with it can use it from then
    on. Raises UsageError for a name that is not valid, or that other weights already have.

    >>> builtin = next(embedtool.known_models())
    >>> model = embedtool.import_model(builtin.path, "my-copy")
    >>> model.spec, model.dim
    ('my-copy', 1280)
    """
    source = Path(path)
    if name is not None and (name in RESERVED or not re.fullmatch(r"\w[\w.-]*", name)):
        raise UsageError(
            f"expected a name of letters, digits, . _ or -, other than {', '.join(RESERVED)}; "
            f"received {name!r}"
        )
    if not any((source / name).exists() for name in ("model.json", "saved_model.pb")):
        raise UsageError(
            f"expected a SavedModel folder (with saved_model.pb) or a model folder (with "
            f"model.json), received {source}. A downloaded archive must be unpacked first"
        )
    whole = os.path.abspath(source)
    model = model_of_user(whole)
    if model.architecture != MOBILENET:
        return load_backbone(whole)
    is_full = model.path != Path(whole) and (model.alpha, model.size) == (1.0, 224)
    own = name or (FULL if is_full else source.resolve().name)
    if own in (*RESERVED, FULL) and not is_full:
        raise UsageError(f"{own} is the name of another network. Choose a name with --name")
    target = imported_folder(own)
    if target.exists():
        if read_folder(target).weights != model.weights:
            raise UsageError(
                f"expected a new name, but other weights already have the name {own}. Choose "
                f"another name with --name, or delete {target}"
            )
    else:
        with publish_folder(target) as draft:
            images = model.read_training_images() if model.training_images else None
            write_folder(replace(model, path=draft, name=own, compiled={}), model.tensors(), images)
    return load_backbone(own)


def known_models() -> Iterator[ModelFolder]:
    """Yield every network that is available offline, builtin first.

    Functions accept its name as `model`.

    >>> [model.name for model in embedtool.known_models()][0]
    'builtin'
    """
    yield read_folder(BUILTIN)
    yield from imported_models()
