"""`export` and `import`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

import embedtool
from embedtool.cli.output import Json, Quiet, emit_report


def export(
    index: Annotated[Path, typer.Argument(help="The folder of the index.")],
    to: Annotated[Path, typer.Option(help="The file or folder to write, depending on the format.")],
    format: Annotated[
        Literal[
            "clip-retrieval", "parquet", "npy", "projector", "embedding-atlas", "ann-benchmarks"
        ]
        | None,
        typer.Option(
            help="clip-retrieval, npy and projector (TensorBoard) write a folder; parquet, "
            "embedding-atlas and ann-benchmarks write a file.  [default: from the suffix of --to: "
            ".parquet is parquet, .hdf5 and .h5 are ann-benchmarks]"
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the image paths and vectors of an index for other programs.

    Each image is one row: path, root, size, modification time, SHA-256, label (the name of its
    folder) and unit vector. The export appears only when it is complete. It replaces an earlier
    export of the same name, but never another file or folder.
    """
    report = embedtool.export_index(index, to, format=format)
    record = asdict(report)
    notes = record.pop("notes")
    record["path"] = str(report.path)
    emit_report(record, notes, json=json, quiet=quiet)


def import_vectors(
    path: Annotated[
        Path,
        typer.Argument(help="A clip-retrieval folder, a .npy file or an export of embedtool."),
    ],
    index: Annotated[Path, typer.Option(help="The folder of the new index.")],
    paths: Annotated[
        Path | None,
        typer.Option(
            help="A text file with the paths of the images of a .npy file, one per line or "
            "separated by NUL."
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            help="The folder that relative paths start from.  [default: the current folder]"
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="The name of the model that made the vectors.  [default: the name in the export, "
            "or one derived from its content]"
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make an index from vectors of another program, or from an export.

    Search it by the path of one of its images or by --row. An index from an export of embedtool can
    also be searched with new images, and `embedtool index` can add to it.
    """
    report = embedtool.import_vectors(path, index=index, paths=paths, root=root, model=model)
    record = asdict(report)
    notes = record.pop("notes")
    record["index"] = str(report.index)
    emit_report(record, notes, json=json, quiet=quiet)


globals()["import"] = import_vectors  # the name of the command is a keyword of Python
