"""The command `duplicates`: groups, a page, moves and their undoing, and what it refuses."""

import json
import os
from pathlib import Path

import pytest
from support.command import embedtool_here as embedtool

from embedtool import find_duplicates
from embedtool.duplicates.move_files import LOG
from embedtool.duplicates.results import Duplicates
from embedtool.report.duplicates_page import write_duplicates_page


@pytest.mark.slow
def test_the_command(found: Duplicates, photos: Path, tmp_path: Path) -> None:
    page, away = tmp_path / "page.html", tmp_path / "away"
    groups = json.loads(embedtool("duplicates", found.index, "--json").out)["groups"]
    assert [g["kind"] for g in groups] == [
        "identical", *["near-identical"] * 3, *["edited"] * 3
    ]  # fmt: skip
    assert {"kind", "similarity", "keep", "paths"} <= groups[0].keys()
    every = ("--move", away, "--near", "--edited", "--dry-run")
    done = embedtool("duplicates", found.index, *every, "--html", page)
    assert done.code == 0 and len(done.out.splitlines()) == 10 and not away.exists()
    assert page.read_text().count("data:image/jpeg;base64,") == 17
    assert embedtool("duplicates", found.index, "--move", away).code == 0
    assert embedtool("duplicates", "--undo", away / LOG).code == 0
    assert embedtool("duplicates", found.index, "--link", away, "--copy", away).code == 2
    (tmp_path / "empty.txt").touch()
    done = embedtool("duplicates", "--undo", tmp_path / "empty.txt")
    assert "lists no moved file" in done.err and (tmp_path / "empty.txt").exists()
    (tmp_path / LOG).write_text('{"from": "/nowhere/a", "to": "/nowhere/b"}\n')
    done = embedtool("duplicates", "--undo", tmp_path / LOG)
    assert done.code == 1 and "/nowhere/b was not moved back: neither" in done.err
    os.rename(photos / "again", tmp_path / "gone")
    gone = find_duplicates(found.index)
    assert any("files are gone" in note for note in gone.notes)
    write_duplicates_page(gone, page)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "expected the folder of an index"),
        (("INDEX", "--dry-run"), "expected --move FOLDER with --dry-run"),
        (("INDEX", "--near"), "expected --move FOLDER with --near"),
        (("INDEX", "--edited", "--html", "a"), "expected --move FOLDER with --edited"),
        (("INDEX", "--link", "a", "--copy", "b"), "expected at most one of --link, --copy"),
        (("INDEX", "--reference", "/nowhere"), "has none of them"),
        (("INDEX", "--min-similarity", "1.5"), "from -1 to 1"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    arguments: tuple[str, ...], said: str, scenes_index: Path
) -> None:
    done = embedtool("duplicates", *(scenes_index if a == "INDEX" else a for a in arguments))
    assert done.code == 2 and said in done.err and done.err.count("\n") == 1
