"""`info`, `rejects`, `verify`, `doctor`, `compact`."""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import embedtool
from embedtool.cli.output import (
    Json,
    Quiet,
    describe_search,
    emit_json,
    emit_record,
    emit_table,
    say,
)
from embedtool.cli.progress_bar import progress_bar
from embedtool.errors import IndexDamaged
from embedtool.search.recall_certificate import Certificate

IndexPath = Annotated[Path, typer.Argument(help="The folder of the index.")]


def info(index: IndexPath, json: Json = False) -> None:
    """Show the model, the counts and the sizes of an index."""
    content = embedtool.index_info(index)
    if json:
        emit_json(content)
        return
    recipe = content.pop("recipe")
    content["roots"] = ", ".join(content["roots"])
    certificate = content.pop("certificate")
    content["search"] = describe_search(certificate and Certificate(**certificate))
    content.update({f"recipe {name}": value for name, value in recipe.items()})
    emit_record(content)


def rejects(index: IndexPath, json: Json = False) -> None:
    """List the files that were rejected, and why."""
    found = embedtool.index_rejects(index)
    rows = [(str(r.path), r.stage, r.reason) for r in found]
    if json:
        names = ("path", "stage", "reason")
        emit_json({"rejects": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        emit_table(("path", "stage", "reason"), rows)


def verify(
    index: IndexPath,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also embed 100 images again and compare their vectors.")
    ] = False,
    json: Json = False,
) -> None:
    """Check every file of an index for damage.

    Compares every file of the index with its checksum. The exit code is 0 if all files are intact,
    and 3 if not.
    """
    with embedtool.open(index) as opened:
        faults = opened.verify()
        again = opened.verify_sample() if deep and not faults else None
    if again:
        faults += again.faults
    if json:
        deeply = {"deep": asdict(again)} if again else {}
        emit_json({"index": str(index), "intact": not faults, "faults": faults, **deeply})
    else:
        for fault in faults:
            say(f"fault: {fault}")
        if not faults:
            emit_record({"index": index, "intact": "yes"})
        if again:
            lowest = (
                "" if again.lowest_cosine is None else f", lowest cosine {again.lowest_cosine:.6f}"
            )
            say(
                f"{again.compared} images embedded again{lowest}; {again.skipped} skipped, because "
                "their files have changed or are gone"
            )
    if faults:
        raise IndexDamaged(
            f"{index} is damaged, faults found: {len(faults)}. Restore it from a backup, or index "
            "the photos into a new folder"
        )


def doctor(index: IndexPath, json: Json = False) -> None:
    """Check that this machine computes the same vectors as before.

    Embeds three reference pictures and compares their vectors with those stored in the index.
    "golden cosines" are the cosines of each pair. The exit code is 0 if they agree, and 5 if not.
    """
    cosines = embedtool.doctor_index(index)
    if json:
        emit_json({"index": str(index), "golden_cosines": cosines})
    else:
        emit_record(
            {"index": index, "golden cosines": jsonlib.dumps([round(c, 6) for c in cosines])}
        )


def compact(index: IndexPath, json: Json = False, quiet: Quiet = False) -> None:
    """Reclaim the disk space of removed images.

    Rewrites the vector files without the vectors of removed images, and merges small files. It
    needs free disk space for one new file of up to 65,536 vectors, which is 170 MB with 1,280
    dimensions. If it is interrupted, run the same command again.
    """
    with progress_bar(quiet=quiet) as progress:
        report = embedtool.compact_index(index, progress=progress)
    record = {"index": str(index), **asdict(report)}
    (emit_json if json else emit_record)(record)
