"""A file is written whole or not at all, and no other file is touched."""

import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from embedtool.core import drafts as drafts_module
from embedtool.core.atomic_files import atomic_write, check_writable, publish_folder, write_json
from embedtool.core.drafts import DRAFT, remove_dead_drafts


def test_json_is_indented_ascii_and_ends_its_line(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"name": "é", "values": [1, 2.5]})
    assert (tmp_path / "x.json").read_bytes() == (
        b'{\n "name": "\\u00e9",\n "values": [\n  1,\n  2.5\n ]\n}\n'
    )


def test_what_is_no_json_leaves_the_earlier_file(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", [1])
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", [object()])
    assert (tmp_path / "x.json").read_text() == "[\n 1\n]\n"
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_a_file_of_the_user_with_a_similar_name_is_kept(tmp_path: Path) -> None:
    for name in ("page.html.new", ".page.html", "page.html~"):
        (tmp_path / name).write_text("mine")
    check_writable(tmp_path / "page.html")
    write_json(tmp_path / "page.html", [])
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found.pop("page.html") == "[]\n"
    assert found == dict.fromkeys(("page.html.new", ".page.html", "page.html~"), "mine")


def test_two_that_write_one_file_at_once_do_not_mix(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "x") as one:
        one.write(b"first ")
        with atomic_write(tmp_path / "x") as other:
            other.write(b"second")
        assert (tmp_path / "x").read_bytes() == b"second"
        one.write(b"file")
    assert (tmp_path / "x").read_bytes() == b"first file"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "x.json").symlink_to(tmp_path / "mine")
    write_json(tmp_path / "x.json", [])
    assert (tmp_path / "mine").read_text() == "mine"
    assert (tmp_path / "x.json").read_text() == "[]\n" and not (tmp_path / "x.json").is_symlink()


KILLED = """
import os, signal, sys
from pathlib import Path
from embedtool.core.atomic_files import atomic_write, publish_folder
folder = Path(sys.argv[1])
with atomic_write(folder / "page [1].html") as file, publish_folder(folder / "out") as out:
    file.write(b"half")
    (out / "file").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def drafts(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if DRAFT.fullmatch(path.name)]


def test_the_next_to_write_a_path_removes_what_killed_processes_left(tmp_path: Path) -> None:
    for _ in range(2):
        subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert len(drafts(tmp_path)) == 4
    (tmp_path / "another file").write_text("mine")
    with atomic_write(tmp_path / "page [1].html") as file:
        file.write(b"whole")
        assert len(drafts(tmp_path)) == 5
    assert {path.is_dir() for path in drafts(tmp_path)} == {True}
    with publish_folder(tmp_path / "out") as out:
        (out / "file").write_bytes(b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "another file", "out", "page [1].html",
    ]  # fmt: skip


def test_the_drafts_of_running_processes_stay(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "x") as one, publish_folder(tmp_path / "y") as two:
        for name in ("x", "y"):
            remove_dead_drafts(tmp_path / name)
        assert len(drafts(tmp_path)) == 2
        one.write(b"1")
        (two / "2").write_bytes(b"2")
    assert (tmp_path / "x").read_bytes() + (tmp_path / "y" / "2").read_bytes() == b"12"


def test_a_draft_that_was_removed_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, removed = drafts_module.locked, list[Path]()

    def remove_first(path: Path) -> AbstractContextManager[bool]:
        if not removed:
            path.unlink()
            removed.append(path)
        return real(path)

    monkeypatch.setattr(drafts_module, "locked", remove_first)
    write_json(tmp_path / "x", [])
    assert (tmp_path / "x").read_text() == "[]\n" and len(removed) == 1
