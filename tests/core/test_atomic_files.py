"""JSON is written whole or not at all."""

from pathlib import Path

import pytest

from embedtool.core.atomic_files import write_json


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
