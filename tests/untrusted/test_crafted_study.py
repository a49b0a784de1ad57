"""The study of a search over settings is a SQLite file too."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from embedtool.core.foreign_files import SUPER_JOURNAL
from embedtool.errors import EmbedtoolError
from embedtool.finetune import tune

NO_INPUTS: Any = None  # none are read before the files are checked


def test_a_journal_that_names_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.sqlite-journal").write_bytes(bytes(600) + SUPER_JOURNAL)
    with pytest.raises(EmbedtoolError, match="would change other files"):
        tune._open(tmp_path, NO_INPUTS)
    assert [path.name for path in tmp_path.iterdir()] == ["study.sqlite-journal"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "study.sqlite").symlink_to(tmp_path / "mine")
    with pytest.raises(EmbedtoolError, match="would change other files"):
        tune._open(tmp_path, NO_INPUTS)
    assert not (tmp_path / "mine").exists()


ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"


@pytest.mark.parametrize(
    "statement",
    [f"CREATE VIEW studies AS {ENDLESS}", "CREATE TRIGGER t INSERT ON a BEGIN DELETE FROM a; END"],
)
def test_what_would_run_when_it_is_read_is_refused(tmp_path: Path, statement: str) -> None:
    with closing(sqlite3.connect(tmp_path / "study.sqlite")) as database:
        database.execute("CREATE TABLE a (b)")
        database.execute(statement)
        database.commit()
    with pytest.raises(EmbedtoolError, match="expected the study of a search"):
        tune._open(tmp_path, NO_INPUTS)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(EmbedtoolError, match="expected the study of a search"):
        tune._open(tmp_path, NO_INPUTS)
