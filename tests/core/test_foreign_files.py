"""Files of a stranger: links, pipes, long and deep JSON."""

import os
from pathlib import Path

import pytest

from embedtool.core.foreign_files import MAX_DEPTH, MAX_JSON, open_regular, parse_json, read_json


def test_a_link_is_followed_only_if_allowed(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("[1]")
    (tmp_path / "link").symlink_to(tmp_path / "x")
    with pytest.raises(OSError, match="symbolic links are not followed"):
        open_regular(tmp_path / "link")
    assert read_json(tmp_path / "link", follow=True) == [1]


@pytest.mark.parametrize("mode", ["rb", "a+b"])
def test_a_pipe_does_not_block(tmp_path: Path, mode: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    for follow in (False, True):
        with pytest.raises(OSError, match="expected a regular file"):
            open_regular(tmp_path / "pipe", mode, follow=follow)


def test_json_has_a_bound_on_depth_and_size() -> None:
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    objects = '{"a":' * MAX_DEPTH + "[]" + "}" * MAX_DEPTH
    for text in ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "[" * 100_000, objects):
        with pytest.raises(ValueError, match="levels of nesting"):
            parse_json(text)
    with pytest.raises(ValueError, match="at most"):
        parse_json(b" " * MAX_JSON + b"1")
    with pytest.raises(ValueError, match="Expecting"):
        parse_json("{")
