"""SQL in the sources names its columns: a column that is added moves no value."""

import re
from pathlib import Path

import pytest

import embedtool

SOURCES = sorted(Path(embedtool.__file__).parent.rglob("*.py"))
UNNAMED = re.compile(r"\bINSERT\b[^(;\"]*\bINTO \w+\b(?! \(\w)|\bSELECT (?:\w+\.)?\*")


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("INSERT INTO meta VALUES (?, ?)", True),
        ("INSERT OR REPLACE INTO rejects VALUES (?)", True),
        ("INSERT INTO meta SELECT ?, 1", True),
        ("INSERT INTO meta (key, value) VALUES (?, ?)", False),
        ("SELECT * FROM segments", True),
        ("SELECT s.* FROM segments s", True),
        ("SELECT count(*) FROM images", False),
    ],
)
def test_the_pattern_finds_unnamed_columns(sql: str, found: bool) -> None:
    assert bool(UNNAMED.search(sql)) is found


def test_every_insert_and_select_names_its_columns() -> None:
    inserts = 0
    for source in SOURCES:
        text = source.read_text()
        assert not UNNAMED.search(text), source
        inserts += len(re.findall(r"\bINSERT\b[^\"]*\bINTO \w+ \(", text))
    assert inserts >= 6
