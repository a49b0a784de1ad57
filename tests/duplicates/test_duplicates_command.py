"""The command `duplicates`: groups, a page, moves and their undoing, and what it refuses."""

import json
import os
from pathlib import Path

import pytest
from support.command import embedtool_here as embedtool
from support.pictures import save, scene

from embedtool import find_duplicates
from embedtool.collection.index_photos import index_photos
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
    moved = tmp_path / "b"
    (tmp_path / LOG).write_text(f'{{"from": "/nowhere/a", "to": "{moved}"}}\n')
    done = embedtool("duplicates", "--undo", tmp_path / LOG)
    assert done.code == 1 and f"{moved} was not moved back: neither" in done.err
    os.rename(photos / "again", tmp_path / "gone")
    gone = find_duplicates(found.index)
    assert any("files are gone" in note for note in gone.notes)
    write_duplicates_page(gone, page)


def test_the_summary_says_what_was_moved_and_what_stays(
    scenes: Path, scenes_index: Path, tmp_path: Path
) -> None:
    away = tmp_path / "away"
    (scenes / "b" / "link.jpg").symlink_to("1.jpg")
    copy = scenes / "b" / "copy of 0.jpg"
    size = copy.stat().st_size
    for verb, options in (("would be moved", ("--dry-run", "--json")), ("were moved", ("--json",))):
        done = embedtool("duplicates", scenes_index, "--move", away, *options)
        assert done.code == 0
        reason = f"{scenes / 'b' / '1.jpg'} was not moved: the link {scenes / 'b' / 'link.jpg'}"
        assert json.loads(done.out) == {
            "schema": 2,
            "moves": [{"from": str(copy), "to": str(away / "b" / copy.name)}],
            "left": [f"{reason} points to it"],
            "bytes_freed": size,
        }
        said = done.err.splitlines()
        assert f"note: {reason} points to it" in said
        assert f"note: 1 files {verb} to {away}, which frees {size:,} bytes" in said
        assert "note: 1 near-identical images stay where they are. --near moves them too" in said
        assert "note: 1 edited images stay where they are. --edited moves them too" in said
    assert not copy.exists()


def test_the_rule_is_an_option(tmp_path: Path) -> None:
    """The small photo was indexed first, and is older."""
    save(tmp_path / "one" / "small.jpg", scene(1).resize((240, 180)), date=1_500_000_000)
    save(tmp_path / "two" / "large.jpg", scene(1))
    for root in ("one", "two"):
        index_photos(tmp_path / root, index=tmp_path / "index", model="builtin")
    kept = {}
    for keep in ("original", "largest", "oldest", "first-root"):
        done = embedtool("duplicates", tmp_path / "index", "--keep", keep, "--json")
        [group] = json.loads(done.out)["groups"]
        kept[keep] = Path(group["keep"]).name
    large, small = "large.jpg", "small.jpg"
    assert kept == {"original": large, "largest": large, "oldest": small, "first-root": small}


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
