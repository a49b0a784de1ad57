"""The networks at hand: list them, show a card, take one in."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from embedtool.backbones.cache import cache_folder, publish_folder
from embedtool.backbones.folder import MOBILENET, ModelFolder, read_folder, write_folder
from embedtool.backbones.resolve import (
    BUILTIN,
    FULL,
    Backbone,
    imported_folder,
    load_backbone,
    saved_model_folder,
)
from embedtool.errors import UsageError
from embedtool.types import PathLike


def model_info(model: str = "auto") -> dict[str, Any]:
    """A network's card: origin, fingerprint, layers with their channels, measured quality."""
    backbone = load_backbone(model)
    folder = backbone.folder
    return {
        "model": backbone.spec,
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
    """Copy a SavedModel folder, or read a model folder, into the user cache under a name.

    A full MobileNetV2 is named mobilenet_v2 unless told otherwise, and serves under that name.
    """
    source = Path(path)
    if (source / "model.json").exists():
        found = source
    elif (source / "saved_model.pb").exists():
        found = saved_model_folder(source)
    else:
        raise UsageError(
            f"expected a SavedModel folder (with saved_model.pb) or a model folder (with "
            f"model.json), received {source}. A downloaded archive must be unpacked first"
        )
    model = read_folder(found)
    if model.architecture != MOBILENET:
        return load_backbone(str(source))
    own = name or (FULL if (model.alpha, model.size) == (1.0, 224) else source.resolve().name)
    target = imported_folder(own)
    if not target.exists():
        with publish_folder(target) as draft:
            write_folder(replace(model, path=draft, name=own, compiled={}), model.tensors())
    return load_backbone(own)


def known_models() -> Iterator[ModelFolder]:
    """Every network at hand without a connection; its name is its spec."""
    yield read_folder(BUILTIN)
    for folder in sorted((cache_folder() / "models").glob("*/model.json")):
        yield read_folder(folder.parent)
