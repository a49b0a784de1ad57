"""No ten lines of code stand twice in embedtool/ and tests/."""

import ast
import io
from pathlib import Path

import pytest
from pylint.checkers.symilar import Symilar

ROOT = Path(__file__).resolve().parent.parent


def without_imports(text: str) -> str:
    """The text with empty lines in place of its imports, which files may share."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for number in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                lines[number - 1] = ""
    return "\n".join(lines)


def test_no_ten_lines_of_code_stand_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """Comments, docstrings and imports aside: merge what this finds into one function."""
    finder = Symilar(min_lines=9, ignore_comments=True, ignore_docstrings=True)  # over 9
    for folder in ("embedtool", "tests"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            text = without_imports(file.read_text("utf-8"))
            finder.append_stream(str(file.relative_to(ROOT)), io.StringIO(text))
    finder.run()
    found = capsys.readouterr().out
    assert "duplicates=0 " in found, found
