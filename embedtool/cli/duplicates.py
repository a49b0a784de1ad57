"""`duplicates`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

import embedtool
from embedtool.cli.output import Json, Quiet, emit_json, emit_table, say
from embedtool.cli.progress_bar import progress_bar
from embedtool.duplicates.results import DuplicateGroup
from embedtool.errors import EmbedtoolError, UsageError

Moves = list[tuple[Path, Path]]


def duplicates(
    index: Annotated[
        Path | None, typer.Argument(help="The folder of the index. Leave it out with --undo.")
    ] = None,
    min_similarity: Annotated[
        float | None,
        typer.Option(
            help="Also group images that are at least this similar, from -1 to 1. Try 0.9 for "
            "mobilenet_v2, 0.97 for builtin."
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="Keep all images of this folder, and find their duplicates elsewhere."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write an HTML page with thumbnails to this file.")
    ] = None,
    link: Annotated[
        Path | None,
        typer.Option(help="Make this folder, with a folder of links to the images of each group."),
    ] = None,
    copy: Annotated[
        Path | None,
        typer.Option(help="Make this folder, with a folder of copies of the images of each group."),
    ] = None,
    move: Annotated[
        Path | None,
        typer.Option(
            help="Move the images that are not kept into this folder. --undo moves them back."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="With --move: print what would be moved, and move nothing."),
    ] = False,
    undo: Annotated[
        Path | None,
        typer.Option(
            help="Move the images of an earlier --move back. Give its embedtool-moves.jsonl."
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find images that show the same picture, and suggest which to keep.

    Identical files have the same bytes. Near-identical images are one picture that was re-encoded,
    resized or lightly cropped: the vectors propose pairs, and the pixels decide. --min-similarity
    adds groups of similar images, which --move leaves alone. The image to keep has the most pixels;
    if equal, it is the larger file, the older one, or the first by path. Nothing is ever deleted.
    """
    actions = [value for value in (link, copy, move, undo) if value]
    if len(actions) > 1 or (dry_run and not move):
        raise UsageError(
            "expected at most one of --link, --copy, --move and --undo; --dry-run needs --move"
        )
    if undo:
        back, left = embedtool.undo_moves(undo)
        _emit_moves(back, json)
        for reason in left:
            say(f"note: {reason}")
        if left:
            raise EmbedtoolError(f"{len(left)} files were not brought back; {undo} stays")
        if not back:
            say(f"note: {undo} tells of no move")
        return
    if index is None:
        raise UsageError("expected the folder of an index: embedtool duplicates INDEX")
    with embedtool.open(index) as opened, progress_bar(quiet=quiet) as progress:
        found = opened.duplicates(
            min_similarity=min_similarity, reference=reference, progress=progress
        )
    if html:
        found.write_html(html)
    if folder := link or copy:
        found.write_folders(folder, copy=bool(copy))
    if move and dry_run:
        from embedtool.duplicates.move_files import plan_moves

        _emit_moves(plan_moves(found, move), json)
    elif move:
        _emit_moves(embedtool.move_duplicates(found, move), json)
    elif json:
        emit_json({"groups": [_group_record(group) for group in found.groups]})
    else:
        _emit_groups(found.groups)
    if quiet:
        return
    for note in found.notes:
        say(f"note: {note}")
    redundant = sum(len(group.redundant) for group in found.groups)
    say(f"note: {len(found.groups)} groups; {redundant} of {found.images} images could go")
    if html:
        say(f"page: {html}")
    if move and not dry_run and redundant:
        say(
            f"note: to bring all back: embedtool duplicates --undo {move / 'embedtool-moves.jsonl'}"
        )


def _emit_groups(groups: tuple[DuplicateGroup, ...]) -> None:
    """A group a paragraph on a terminal; a line for each image in a pipe."""
    if sys.stdout.isatty():
        for group in groups:
            doubt = "" if group.verified else " (by its vector alone)"
            print(f"{group.kind}{doubt}, keep the first: {group.reason}")
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


def _emit_moves(moves: Moves, json: bool) -> None:
    rows = [(str(source), str(place)) for source, place in moves]
    if json:
        emit_json({"moves": [{"from": source, "to": place} for source, place in rows]})
    else:
        emit_table(("from", "to"), rows)
