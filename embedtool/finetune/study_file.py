"""The file of a search over settings, a SQLite database of Optuna. A stranger may have made it."""

import math
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from embedtool.core.foreign_files import names_another_file
from embedtool.errors import EmbedtoolError
from embedtool.finetune.settings import FIELD_OF_KEY, FinetuneSettings

STUDY = "study.sqlite"
# What Optuna creates. Views, triggers, virtual tables and expressions would run when it is read or
# written, and may never end.
INDEX = re.compile(r'CREATE (UNIQUE )?INDEX \w+ ON \w+ \("?\w+"?(, "?\w+"?)*\)')
CHECK = re.compile(r"\bCHECK\b(?! \(version_info_id=1\))", re.IGNORECASE)


def open_study(folder: Path) -> optuna.Study:
    """Open the study of a search, or create it. Raises EmbedtoolError for any other file."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    file = folder.absolute() / STUDY
    if file.is_symlink() or names_another_file(folder / f"{STUDY}-journal"):
        raise EmbedtoolError(
            f"{folder} is not a search of embedtool: opening it would change other files. Choose "
            "another --out"
        )
    if set("?#%") & set(str(file)):
        raise EmbedtoolError(f"expected --out without the characters ? # %, received {folder}")
    if file.exists() and not _is_database_of_optuna(file):
        raise _other_file(file)
    try:
        study = optuna.create_study(
            storage=f"sqlite:///{file}",
            study_name="finetune",
            direction="maximize",
            load_if_exists=True,
        )
        trials = study.get_trials(deepcopy=False)
        right = study.direction == optuna.study.StudyDirection.MAXIMIZE and all(
            trial.number == number and _is_trial(trial) for number, trial in enumerate(trials)
        )
    except Exception as error:  # Optuna and SQLAlchemy raise almost anything for foreign content
        raise _other_file(file) from error
    if not right:
        raise _other_file(file)
    return study


def _other_file(file: Path) -> EmbedtoolError:
    return EmbedtoolError(
        f"expected the study of a search in {file}, found another file. Choose another --out"
    )


def _is_database_of_optuna(file: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            database.execute("PRAGMA trusted_schema = OFF")
            schema = database.execute("SELECT type, name, sql FROM sqlite_schema").fetchall()
            return all(_is_harmless(database, *row) for row in schema)
    except sqlite3.DatabaseError:
        return False


def _is_harmless(database: sqlite3.Connection, kind: str, name: str, sql: str | None) -> bool:
    if kind == "index":
        return sql is None or bool(INDEX.fullmatch(sql))
    if kind != "table" or not sql or not sql.startswith("CREATE TABLE") or CHECK.search(sql):
        return False
    columns = database.execute("SELECT dflt_value, hidden FROM pragma_table_xinfo(?)", (name,))
    return all(row == (None, 0) for row in columns)


def _is_trial(trial: FrozenTrial) -> bool:
    """Return whether a trial has what the search reads of it, in the right types."""
    attributes, reached = trial.user_attrs, list(trial.intermediate_values.values())
    if not all(isinstance(own, int | float | str) for own in trial.params.values()):
        return False
    if not all(isinstance(own, float) for own in reached):
        return False
    if trial.state == TrialState.PRUNED:
        return bool(reached) and _are_texts(attributes["notes"])
    if trial.state == TrialState.COMPLETE:
        settings: Any = attributes["settings"]
        changes = {FIELD_OF_KEY.get(name, name): own for name, own in settings.items()}
        FinetuneSettings().with_changes(changes)
        finite = trial.value is not None and math.isfinite(trial.value)
        return finite and _are_texts(attributes["notes"])
    return True


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(own, str) for own in values)
