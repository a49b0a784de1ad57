"""`model list / info / pull / import`."""

from pathlib import Path
from typing import Annotated

import typer

import embedtool
from embedtool.cli.output import Json, emit_json, emit_record, emit_table, say

model = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
Spec = Annotated[str, typer.Argument(help="builtin, mobilenet_v2, a TF Hub handle, or a folder.")]


@model.command("list")
def list_models(json: Json = False) -> None:
    """List the networks at hand without a network connection."""
    rows = [
        (known.name, known.architecture, known.alpha, known.size, known.layers[known.layer])
        for known in embedtool.known_models()
    ]
    names = ("model", "architecture", "alpha", "size", "dim")
    if json:
        emit_json({"models": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        emit_table(names, rows)


@model.command("info")
def model_info(spec: Spec, json: Json = False) -> None:
    """Show a network's card: what it is, its layers, its measures."""
    content = embedtool.model_info(spec)
    if note := content.pop("note", ""):
        say(f"note: {note}")
    if json:
        emit_json(content)
    else:
        emit_record(_flat(content))


@model.command("pull")
def pull(
    spec: Spec,
    precision: Annotated[str | None, typer.Option(help="float32 or int8.")] = None,
    json: Json = False,
) -> None:
    """Fetch and compile a network now, for runs without a connection."""
    from embedtool.models import load_backbone

    backbone = load_backbone(spec, precision=precision)
    if backbone.note:
        say(f"note: {backbone.note}")
    _emit_model(backbone.spec, str(backbone.compiled()), backbone.fingerprint, json)


@model.command("import")
def import_model(
    path: Annotated[Path, typer.Argument(help="A SavedModel folder or a model folder.")],
    name: Annotated[str | None, typer.Option(help="The name to keep it under.")] = None,
    json: Json = False,
) -> None:
    """Take a network from a folder into the user cache.

    A full MobileNetV2 serves as `mobilenet_v2` from then on.
    """
    backbone = embedtool.import_model(path, name)
    _emit_model(backbone.spec, str(backbone.compiled()), backbone.fingerprint, json)


def _emit_model(spec: str, compiled: str, fingerprint: str, json: bool) -> None:
    record = {"model": spec, "compiled": compiled, "fingerprint": fingerprint}
    if json:
        emit_json(record)
    else:
        emit_record(record)


def _flat(content: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in content.items():
        if isinstance(value, dict) and name != "layers":
            flat.update(_flat(value, f"{prefix}{name}: "))
        else:
            flat[prefix + name] = ", ".join(value) if isinstance(value, dict) else value
    return flat
