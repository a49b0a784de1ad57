"""The study of a search over settings is a SQLite file too."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest

from embedtool.core.foreign_files import SUPER_JOURNAL
from embedtool.errors import EmbedtoolError
from embedtool.finetune.study_file import open_study


def test_a_journal_that_names_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.sqlite-journal").write_bytes(bytes(600) + SUPER_JOURNAL)
    with pytest.raises(EmbedtoolError, match="would change other files"):
        open_study(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["study.sqlite-journal"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "study.sqlite").symlink_to(tmp_path / "mine")
    with pytest.raises(EmbedtoolError, match="would change other files"):
        open_study(tmp_path)
    assert not (tmp_path / "mine").exists()


ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"


@pytest.mark.parametrize(
    "statement",
    [
        f"CREATE VIEW studies AS {ENDLESS}",
        "CREATE TRIGGER t INSERT ON a BEGIN DELETE FROM a; END",
        "CREATE TABLE trials (id, number AS (instr(hex(zeroblob(50000000)), 'x')))",
        "CREATE TABLE trials (number CHECK (instr(hex(zeroblob(50000000)), 'x')))",
        "CREATE TABLE trials (number DEFAULT (hex(zeroblob(50000000))))",
        "CREATE INDEX i ON a (hex(b))",
        "CREATE INDEX i ON a (b) WHERE hex(b) > 1",
        "CREATE VIRTUAL TABLE trials USING fts5 (number)",
    ],
)
def test_what_would_run_when_it_is_read_is_refused(tmp_path: Path, statement: str) -> None:
    with closing(sqlite3.connect(tmp_path / "study.sqlite")) as database:
        database.execute("CREATE TABLE a (b)")
        database.execute(statement)
        database.commit()
    with pytest.raises(EmbedtoolError, match="expected the study of a search"):
        open_study(tmp_path)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(EmbedtoolError, match="expected the study of a search"):
        open_study(tmp_path)


def complete_trial(study: optuna.Study, **changes: Any) -> None:
    trial = study.ask()
    trial.suggest_float("rate", 0, 1)
    trial.report(0.5, 1)
    attributes = {"settings": {"copies": 1}, "notes": []} | changes
    for name, value in attributes.items():
        trial.set_user_attr(name, value)
    study.tell(trial, 0.0)


CONTENTS: dict[str, dict[str, Any]] = {
    "settings of another kind": {"settings": 5},
    "an unknown setting": {"settings": {"run": "touch ran"}},
    "settings that never end": {"settings": {"copies": 10**9}},
    "notes of numbers": {"notes": [5]},
    "notes as a text": {"notes": "note"},
}


@pytest.mark.parametrize("case", CONTENTS)
def test_trials_of_another_kind_are_refused(case: str, tmp_path: Path) -> None:
    complete_trial(open_study(tmp_path))
    assert len(open_study(tmp_path).trials) == 1, "as the search writes it"
    complete_trial(open_study(tmp_path), **CONTENTS[case])
    with pytest.raises(EmbedtoolError, match="expected the study of a search"):
        open_study(tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trials SET number = 7",
        "UPDATE trials SET state = 'ODD'",
        "UPDATE trial_params SET distribution_json = '[]'",
        "UPDATE trial_user_attributes SET value_json = '{'",
        "UPDATE study_directions SET direction = 'MINIMIZE'",
        "DELETE FROM trial_values",
    ],
)
def test_values_of_another_kind_are_refused(statement: str, tmp_path: Path) -> None:
    complete_trial(open_study(tmp_path))
    with closing(sqlite3.connect(tmp_path / "study.sqlite")) as database:
        database.execute(statement)
        database.commit()
    with pytest.raises(EmbedtoolError, match="expected the study of a search"):
        open_study(tmp_path)
