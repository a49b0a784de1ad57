"""`model list / info / pull / import`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

import embedtool
from embedtool.cli.output import Json, emit_json, emit_record, emit_table, say

model = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
Spec = Annotated[
    str,
    typer.Argument(help="The network: builtin, mobilenet_v2, a TF Hub handle or a model folder."),
]


@model.command("list")
def list_models(json: Json = False) -> None:
    """List the networks that are available offline."""
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
    """Describe a network: its origin, layers and measurements. No SavedModel runs."""
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
    precision: Annotated[
        Literal["float32", "int8"] | None,
        typer.Option(
            help="Arithmetic of the network: float32 or int8.  [default: that of the model]"
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Download and compile a network now, for later use offline.

    A TF Hub handle other than mobilenet_v2 is a program, and it runs. Pull only what you trust.
    """
    from embedtool.models import load_backbone

    backbone = load_backbone(spec, precision=precision)
    if backbone.note:
        say(f"note: {backbone.note}")
    _emit_model(backbone.spec, str(backbone.compiled()), backbone.fingerprint, json)


@model.command("import")
def import_model(
    path: Annotated[
        Path, typer.Argument(help="A SavedModel folder, or the folder of a fine-tuned model.")
    ],
    name: Annotated[
        str | None,
        typer.Option(help="The name to import it under.  [default: the name of the folder]"),
    ] = None,
    json: Json = False,
) -> None:
    """Copy a network from a folder to the user cache.

    If it is the full ImageNet MobileNetV2, it is used for `mobilenet_v2` from then on. A SavedModel
    is a program, and it runs: import one only if you trust it.
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
