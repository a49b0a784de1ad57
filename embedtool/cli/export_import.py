"""`export` and `import`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import embedtool
from embedtool.cli.output import Json, Quiet, emit_report


def export(
    index: Annotated[Path, typer.Argument(help="The index's folder.")],
    to: Annotated[Path, typer.Option(help="Where to write: a file or a new folder, by format.")],
    format: Annotated[
        str | None,
        typer.Option(
            help="Folders: clip-retrieval, npy, projector (TensorBoard). Files: parquet, "
            "embedding-atlas, ann-benchmarks.  [default: by the ending, .parquet, .hdf5 or .h5]"
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write an index's images and vectors for other programs.

    A row an image: path, root, size, modification time, SHA-256, label (the name of its folder)
    and unit vector. It appears under its name whole or not at all; an earlier export is replaced,
    anything else is left alone.
    """
    report = embedtool.export_index(index, to, format=format)
    record = asdict(report)
    notes = record.pop("notes")
    record["path"] = str(report.path)
    emit_report(record, notes, json=json, quiet=quiet)


def import_vectors(
    path: Annotated[
        Path,
        typer.Argument(help="A clip-retrieval folder, a .npy file, or an export of embedtool."),
    ],
    index: Annotated[Path, typer.Option(help="The index to make.")],
    paths: Annotated[
        Path | None, typer.Option(help="The images of a .npy file: a path a line, or NUL-ended.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="Relative paths are below this.  [default: this folder]")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="What made the vectors.  [default: what an export says, or its content]"),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make an index of vectors that were made elsewhere, or exported.

    They are searched by the path of an image in it, or by --row. An import of an export of
    embedtool is searched with new images too, and `embedtool index` goes on with it.
    """
    report = embedtool.import_vectors(path, index=index, paths=paths, root=root, model=model)
    record = asdict(report)
    notes = record.pop("notes")
    record["index"] = str(report.index)
    emit_report(record, notes, json=json, quiet=quiet)


globals()["import"] = import_vectors  # the command's name is a word of Python's own
