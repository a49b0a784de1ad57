"""A file is written whole or not at all, and no other file is touched."""

from pathlib import Path

import pytest

from embedtool.core.atomic_files import atomic_write, check_writable, write_json


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
