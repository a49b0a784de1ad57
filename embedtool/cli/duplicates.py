"""`duplicates`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import embedtool
from embedtool.cli.output import Json, Quiet, emit_json, emit_table, say
from embedtool.cli.progress_bar import progress_bar
from embedtool.duplicates.results import DuplicateGroup, Keep
from embedtool.errors import EmbedtoolError, UsageError

if TYPE_CHECKING:
    from embedtool.duplicates.move_files import Moves
    from embedtool.duplicates.plan_moves import Move


def duplicates(
    index: Annotated[
        Path | None, typer.Argument(help="The folder of the index. Leave it out with --undo.")
    ] = None,
    min_similarity: Annotated[
        float | None,
        typer.Option(
            help="Also group images whose cosine similarity is at least this, from -1 to 1. Try "
            "0.9 for mobilenet_v2, 0.97 for builtin."
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="Keep all images of this folder, and find their duplicates elsewhere."),
    ] = None,
    keep: Annotated[
        Keep,
        typer.Option(
            help="Which image to keep: the original; the largest, by pixels; the oldest, by the "
            "date it was taken; or the one in the folder that was indexed first."
        ),
    ] = "original",
    html: Annotated[
        Path | None, typer.Option(help="Also write an HTML page with thumbnails to this file.")
    ] = None,
    link: Annotated[
        Path | None,
        typer.Option(help="Create this folder. A subfolder per group holds links to its images."),
    ] = None,
    copy: Annotated[
        Path | None,
        typer.Option(help="Create this folder. A subfolder per group holds copies of its images."),
    ] = None,
    move: Annotated[
        Path | None,
        typer.Option(
            help="Move the images with the same bytes as the one to keep into this folder. --undo "
            "moves them back."
        ),
    ] = None,
    near: Annotated[
        bool, typer.Option("--near", help="With --move: also move near-identical images.")
    ] = False,
    edited: Annotated[
        bool, typer.Option("--edited", help="With --move: also move edited images.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="With --move: print what would be moved, and move nothing."),
    ] = False,
    undo: Annotated[
        Path | None,
        typer.Option(
            help="Move the images of an earlier --move back. The value is the file "
            "embedtool-moves.jsonl in its folder."
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find images that show the same picture, and suggest which to keep.

    Identical files have the same bytes. Near-identical images are one picture that was re-encoded
    or resized, edited ones one picture that was changed, such as by a crop or a filter: the vectors
    propose pairs, and the pixels decide. --min-similarity adds groups of similar images, which
    --move does not move. The image to keep is the original of a camera, else the one that was taken
    first, else the one with the most pixels. A RAW file and its JPEG are no duplicates. Before a
    move, both files are read and compared again. Nothing is ever deleted.
    """
    actions = [value for value in (link, copy, move, undo) if value]
    if len(actions) > 1:
        raise UsageError("expected at most one of --link, --copy, --move and --undo")
    for name, given in (("dry-run", dry_run), ("near", near), ("edited", edited)):
        if given and not move:
            raise UsageError(f"expected --move FOLDER with --{name}")
    if undo:
        back, left = embedtool.undo_moves(undo)
        if json:
            emit_json({"moves": _move_records(back)})
        else:
            emit_table(("from", "to"), back)
        for reason in left:
            say(f"note: {reason}")
        if left:
            raise EmbedtoolError(
                f"{len(left)} files were not moved back, for the reasons above. Solve them and run "
                f"the same command again; {undo} still lists these files"
            )
        if not back:
            say(f"note: {undo} lists no moved file: there is nothing to undo")
        return
    if index is None:
        raise UsageError("expected the folder of an index: embedtool duplicates INDEX")
    with embedtool.open(index) as opened, progress_bar(quiet=quiet) as progress:
        found = opened.duplicates(
            min_similarity=min_similarity, reference=reference, keep=keep, progress=progress
        )
    if html:
        found.write_html(html)
    if folder := link or copy:
        found.write_folders(folder, copy=bool(copy))
    if move:
        moves = embedtool.move_duplicates(found, move, near=near, edited=edited, dry_run=dry_run)
        _emit_moves(moves, json)
        for reason in moves.left:
            say(f"note: {reason}")
    elif json:
        emit_json({"groups": [_group_record(group) for group in found.groups]})
    else:
        _emit_groups(found.groups)
    if quiet:
        return
    for note in found.notes:
        say(f"note: {note}")
    redundant = sum(len(group.redundant) for group in found.groups)
    say(f"note: {len(found.groups)} groups; {redundant} of {found.images} images are redundant")
    if html:
        say(f"page: {html}")
    if move:
        verb = "would be moved" if dry_run else "were moved"
        say(f"note: {len(moves)} files {verb} to {move}, which frees {moves.bytes_freed:,} bytes")
        for kind, option, given in (("near-identical", "near", near), ("edited", "edited", edited)):
            others = sum(len(group.paths) - 1 for group in found.groups if group.kind == kind)
            if others and not given:
                say(f"note: {others} {kind} images stay where they are. --{option} moves them too")
    if move and moves and not dry_run:
        say(
            f"note: to move them back: embedtool duplicates --undo {move / 'embedtool-moves.jsonl'}"
        )


def _emit_groups(groups: tuple[DuplicateGroup, ...]) -> None:
    """Print one paragraph per group on a terminal, and one line per image in a pipe."""
    if sys.stdout.isatty():
        for group in groups:
            doubt = "" if group.verified else " (by vectors only, pixels not compared)"
            print(f"{group.kind}{doubt}, keep the first image: {group.reason}")
            rows = zip(group.similarities, group.paths, strict=True)
            emit_table(("similarity", "path"), list(rows))
            print()
        return
    emit_table(
        ("group", "kind", "keep", "similarity", "path"),
        [
            (number, group.kind, "keep" if path == group.keep else "", similarity, path)
            for number, group in enumerate(groups, 1)
            for path, similarity in zip(group.paths, group.similarities, strict=True)
        ],
    )


def _group_record(group: DuplicateGroup) -> dict[str, object]:
    return {
        "kind": group.kind,
        "similarity": group.similarity,
        "keep": str(group.keep),
        "reason": group.reason,
        "paths": [str(path) for path in group.paths],
        "similarities": list(group.similarities),
        "redundant": [str(path) for path in group.redundant],
        "verified": group.verified,
    }


def _emit_moves(moves: "Moves", json: bool) -> None:
    if json:
        emit_json(
            {
                "moves": _move_records(moves),
                "left": moves.left,
                "bytes_freed": moves.bytes_freed,
            }
        )
    else:
        emit_table(("from", "to"), moves)


def _move_records(moves: "list[Move]") -> list[dict[str, str]]:
    return [{"from": str(source), "to": str(place)} for source, place in moves]
