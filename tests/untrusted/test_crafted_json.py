"""JSON of a stranger in a model folder, a probe, an export or settings: without end, or a pipe."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from support.indexes import RECIPE

from embedtool.classification.probe import CARD, read_probe
from embedtool.core.foreign_files import parse_json
from embedtool.errors import EmbedtoolError
from embedtool.finetune.settings import read_settings
from embedtool.interchange.card import read_card
from embedtool.models.find_model import BUILTIN
from embedtool.models.model_folder import read_folder

DEEP = "[" * 100_000 + "]" * 100_000
READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "model": ("model.json", read_folder),
    "probe": (CARD, read_probe),
    "settings": ("settings.json", lambda folder: read_settings(folder / "settings.json")),
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("text", [DEEP, f'{{"format": {DEEP}}}', "[1]", "7"])
def test_json_without_end_or_of_another_kind_is_an_error(
    tmp_path: Path, kind: str, text: str
) -> None:
    name, read = READERS[kind]
    (tmp_path / name).write_text(text)
    with pytest.raises(EmbedtoolError):
        read(tmp_path)


@pytest.mark.parametrize("kind", ["model", "settings"])
def test_a_pipe_does_not_block(tmp_path: Path, kind: str) -> None:
    name, read = READERS[kind]
    os.mkfifo(tmp_path / name)
    with pytest.raises(EmbedtoolError, match="regular file"):
        read(tmp_path)


def test_a_model_folder_may_consist_of_links(tmp_path: Path) -> None:
    """As the caches of model hosts do."""
    shutil.copytree(BUILTIN, tmp_path / "files")
    (tmp_path / "model").mkdir()
    for file in (tmp_path / "files").iterdir():
        (tmp_path / "model" / file.name).symlink_to(file)
    assert read_folder(tmp_path / "model").weights == read_folder(BUILTIN).weights


@pytest.mark.parametrize("recipe", ["[]", '{"size": 1}', "null", DEEP])
def test_an_export_without_a_recipe_is_an_error(recipe: str) -> None:
    text = f'{{"embedtool export": 1, "dim": 1, "recipe": {recipe}}}'
    with pytest.raises(EmbedtoolError, match="Export the index again"):
        read_card(text, "x.json")


@pytest.mark.parametrize("half", ["\\ud800", "\\udfff", "\\uDD00"])
def test_half_of_a_surrogate_pair_is_an_error(half: str, tmp_path: Path) -> None:
    for text in (f'"{half}"', f'{{"a": ["{half}"]}}', f'{{"{half}": 1}}'):
        with pytest.raises(ValueError, match="half of a surrogate pair"):
            parse_json(text)
    assert parse_json('"\\udcff \\ud83d\\ude00"') == "\udcff \N{GRINNING FACE}"


@pytest.mark.parametrize(
    ("name", "value"), [("copies", 10**9), ("seed", 10**23), ("epochs", 10**9)]
)
def test_settings_that_never_end_are_an_error(name: str, value: int, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({name: value}))
    with pytest.raises(EmbedtoolError, match=f"expected {name} from"):
        read_settings(tmp_path / "settings.json")


@pytest.mark.parametrize("dim", ["Infinity", "1e400", "[]"])
def test_an_export_of_endless_dimensions_is_an_error(dim: str) -> None:
    recipe = json.dumps(asdict(RECIPE))
    text = f'{{"embedtool export": 1, "dim": {dim}, "recipe": {recipe}}}'
    with pytest.raises(EmbedtoolError, match="Export the index again"):
        read_card(text, "x.json")
