"""Settings from a file."""

import json
from pathlib import Path

import pytest

from embedtool.errors import (
    UsageError,
)
from embedtool.finetune.settings import FinetuneSettings, read_settings


def test_settings_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"learning_rate": 1, "rotation": 30.0, "unfreeze": "all"}))
    settings = FinetuneSettings().with_changes(read_settings(file))
    assert (settings.learning_rate, settings.augmentation.rotation, settings.unfreeze) == (
        1,
        30.0,
        "all",
    )
    assert FinetuneSettings().with_changes(settings.record()) == settings
    file.write_text(json.dumps({"rate": 0.5, "head_rate": 0.25, "zoom": 0.1}))
    assert read_settings(file) == {"learning_rate": 0.5, "head_learning_rate": 0.25, "zoom": 0.1}
    file.write_text(json.dumps(settings.file_record()))
    assert FinetuneSettings().with_changes(read_settings(file)) == settings
    for content, words in (
        ('{"rate": 1, "learning_rate": 2}', "rate and learning_rate are the same setting"),
        ('{"rates": 1}', "unknown setting 'rates'"),
        ('{"rate": "fast"}', "rate of type float"),
        ("[1]", "JSON object"),
        ("{", "JSON file"),
        ('{"zoom": 5}', "zoom from 0 to 0.7"),
        ('{"validation_share": 0.6}', "validation_share up to 0.5"),
    ):
        file.write_text(content)
        with pytest.raises(UsageError, match=words):
            read_settings(file)
