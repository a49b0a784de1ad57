"""What an index says about its network is compared with the network, and never believed."""

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from support.indexes import RECIPE
from support.indexes import index as index

from embedtool.core.types import Recipe
from embedtool.errors import EmbedtoolError, IndexDamaged, ModelMismatch, ModelUnavailable
from embedtool.interchange.card import read_card
from embedtool.models import load_backbone, reopen
from embedtool.models.cache import cache_folder
from embedtool.models.find_model import BUILTIN
from embedtool.models.library import import_model
from embedtool.store.reader import IndexReader

WRONG_TYPES: list[dict[str, Any]] = [
    {"layer": ["out_relu"]},
    {"precision": 8},
    {"size": "96"},
    {"low": None},
    {"weights": {}},
]


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDTOOL_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    "changes",
    [
        {"layer": "no such layer"},
        {"layer": ""},
        {"precision": ""},
        {"precision": "float64"},
        {"precision": "../../float32"},
        {"size": 10**9},
        {"low": float("nan")},
        {"architecture": "saved_model"},
        {"decode": "another"},
    ],
)
def test_a_recipe_that_its_model_does_not_have_is_a_mismatch(changes: dict[str, Any]) -> None:
    recipe = replace(load_backbone("builtin").recipe, **changes)
    with pytest.raises(ModelMismatch, match=rf"\({next(iter(changes))} changed\)"):
        reopen("builtin", recipe)


@pytest.mark.parametrize("changes", WRONG_TYPES)
def test_a_recipe_of_wrong_types_is_damage(index: Path, changes: dict[str, Any]) -> None:
    record = json.dumps(asdict(RECIPE) | changes)
    with closing(sqlite3.connect(index / "catalog.sqlite")) as catalogue, catalogue:
        catalogue.execute("UPDATE meta SET value = ? WHERE key = 'recipe'", (record,))
    with pytest.raises(IndexDamaged, match=f"{next(iter(changes))} is of type"):
        IndexReader(index)


@pytest.mark.parametrize("changes", WRONG_TYPES)
def test_an_export_with_a_recipe_of_wrong_types_is_refused(changes: dict[str, Any]) -> None:
    record = {"embedtool export": 1, "dim": 1, "recipe": asdict(RECIPE) | changes}
    with pytest.raises(EmbedtoolError, match=r"the model in card is damaged .* is of type"):
        read_card(json.dumps(record), "card")


@pytest.mark.usefixtures("empty_cache")
def test_an_import_serves_an_index_whose_model_folder_is_gone(tmp_path: Path) -> None:
    """Other imports may be damaged."""
    folder = Path(shutil.copytree(BUILTIN, tmp_path / "tuned"))
    recipe = load_backbone(str(folder)).recipe
    import_model(folder, "mine")
    shutil.rmtree(folder)
    (cache_folder() / "models" / "damaged").mkdir()
    (cache_folder() / "models" / "damaged" / "model.json").write_text("{")
    assert reopen(str(folder), recipe).folder.path == cache_folder() / "models" / "mine"


@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize("spec", ["", ".", "..", "/", "gone", "/gone/model", "a\0b", "x" * 5000])
def test_a_name_of_nothing_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache" / "models").mkdir(parents=True)
    recipe: Recipe = replace(RECIPE, weights="0" * 64)
    with pytest.raises(ModelUnavailable, match=r"no longer exists\. .*embedtool model import"):
        reopen(spec, recipe)
