"""The model that an index names does not run unless the user named it on this machine."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from support.command import Result, embedtool_here
from support.pictures import encoded, picture
from support.stranger_models import hub_folder_of, write_program
from support.tensorflow_jobs import jobs_here as jobs_here

from embedtool import export_index, index_photos
from embedtool.core.types import Recipe
from embedtool.errors import ModelMismatch, ModelUnavailable
from embedtool.models import load_backbone, reopen
from embedtool.models.cache import cache_folder
from embedtool.models.find_model import BUILTIN
from embedtool.models.model_folder import files_digest
from embedtool.store.reader import IndexReader

HANDLE = "https://example.org/evil/1"
pytestmark = pytest.mark.usefixtures("jobs_here")


@dataclass(frozen=True)
class Sent:
    """What a stranger hands over, and the file that shows that its program ran."""

    index: Path
    model: Path
    photos: Path
    export: Path
    written: Path


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Sent:
    """An index made on the machine of a stranger with a SavedModel that writes a file."""
    folder = tmp_path_factory.mktemp("sent")
    made = Sent(*(folder / name for name in ("index", "a model", "photos", "export", "written")))
    write_program(made.model, made.written)
    made.photos.mkdir()
    for seed in range(3):
        (made.photos / f"{seed}.png").write_bytes(encoded(picture(seed), "PNG"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDTOOL_CACHE_DIR", str(folder / "cache of the stranger"))
        index_photos(made.photos, index=made.index, model=str(made.model))
    export_index(made.index, made.export, format="npy")
    assert made.written.read_text() == "the graph ran", "where the user named it"
    return made


@pytest.fixture
def stranger(sent: Sent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The same on the machine of a user, who has never seen the model."""
    monkeypatch.setenv("EMBEDTOOL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    sent.written.unlink(missing_ok=True)
    shutil.copytree(sent.index, tmp_path / "index")
    (tmp_path / "new.png").write_bytes(encoded(picture(9), "PNG"))
    return replace(sent, index=tmp_path / "index")


def refused(done: Result, stranger: Sent, code: int, *texts: str) -> None:
    assert done.code == code, done.err
    assert done.err.count("\n") == 1, "one line"
    assert [text for text in texts if text not in done.err] == []
    assert not stranger.written.exists(), "the model ran"
    assert list(cache_folder().glob("models/*")) == []


COMMANDS: dict[str, Callable[[Sent, Path], list[object]]] = {
    "search": lambda sent, here: ["search", sent.index, here / "new.png"],
    "doctor": lambda sent, here: ["doctor", sent.index],
    "verify": lambda sent, here: ["verify", sent.index, "--deep"],
    "index": lambda sent, here: ["index", sent.photos, here / "new.png", "--index", sent.index],
}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_runs_the_model_of_an_index(
    stranger: Sent, tmp_path: Path, command: str
) -> None:
    done = embedtool_here(*COMMANDS[command](stranger, tmp_path))
    refused(done, stranger, 1, str(stranger.model), f"embedtool model import '{stranger.model}'")


@pytest.mark.slow
def test_an_imported_export_runs_nothing(stranger: Sent, tmp_path: Path) -> None:
    assert embedtool_here("import", stranger.export, "--index", tmp_path / "back").code == 0
    done = embedtool_here("search", tmp_path / "back", tmp_path / "new.png")
    refused(done, stranger, 1, f"embedtool model import '{stranger.model}'")


@pytest.mark.slow
def test_model_info_runs_nothing(stranger: Sent) -> None:
    done = embedtool_here("model", "info", stranger.model)
    refused(done, stranger, 1, f"embedtool model import '{stranger.model}'")
    done = embedtool_here("model", "info", HANDLE)
    refused(done, stranger, 1, f"embedtool model pull {HANDLE}")


@pytest.mark.slow
@pytest.mark.parametrize("option", [["--precision", "int8"], ["--layer", "other"]])
def test_a_request_for_another_layer_or_precision_runs_nothing(
    stranger: Sent, option: list[str]
) -> None:
    done = embedtool_here("index", stranger.photos, "--index", stranger.index, *option)
    refused(done, stranger, 5, "cannot be mixed", f"--model '{stranger.model}' {' '.join(option)}")


@pytest.mark.slow
def test_an_imported_model_serves_the_index(stranger: Sent, tmp_path: Path) -> None:
    assert embedtool_here("model", "import", stranger.model).code == 0
    assert stranger.written.exists(), "the user named it"
    for command in COMMANDS.values():
        done = embedtool_here(*command(stranger, tmp_path))
        assert done.code == 0, done.err
    assert embedtool_here("model", "info", stranger.model).code == 0


@pytest.mark.slow
def test_a_model_that_index_names_serves_the_index(stranger: Sent, tmp_path: Path) -> None:
    (stranger.photos / "more.png").write_bytes(encoded(picture(5), "PNG"))
    done = embedtool_here(
        "index", stranger.photos, "--index", stranger.index, "--model", stranger.model
    )
    assert done.code == 0, done.err
    assert embedtool_here("search", stranger.index, tmp_path / "new.png").code == 0


@pytest.mark.slow
def test_a_handle_in_the_cache_of_tf_hub_runs_only_if_it_is_pulled(
    stranger: Sent, tmp_path: Path
) -> None:
    """Another program downloaded it, so nobody named it to embedtool."""
    module = shutil.copytree(stranger.model, hub_folder_of(HANDLE, tmp_path / "hub"))
    recipe = sender_recipe(stranger)
    with pytest.raises(ModelUnavailable, match=f"embedtool model pull {HANDLE}"):
        reopen(HANDLE, recipe)
    assert not stranger.written.exists()
    assert embedtool_here("model", "pull", HANDLE).code == 0
    assert stranger.written.exists()
    assert reopen(HANDLE, recipe).folder.saved_model == str(module)


@pytest.mark.slow
def test_a_program_that_changed_since_its_import_does_not_run(
    stranger: Sent, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(stranger.model, tmp_path / "model"))
    recipe = load_backbone(str(model)).recipe
    stranger.written.unlink()
    (model / "assets" / "more").write_text("changed")
    with pytest.raises(ModelUnavailable, match="has changed since it was imported"):
        reopen(str(model), recipe).compiled()
    assert not stranger.written.exists()
    with pytest.raises(ModelMismatch, match=r"no longer the model .*\(weights changed\)"):
        reopen(str(model), replace(recipe, weights="0" * 64))


def sender_recipe(stranger: Sent) -> Recipe:
    with IndexReader(stranger.index) as reader:
        return reader.recipe


def test_the_suggested_command_is_quoted(tmp_path: Path) -> None:
    recipe = replace(load_backbone("builtin").recipe, weights="0" * 64)
    with pytest.raises(ModelUnavailable) as caught:
        reopen("https://example.org/$(id)", recipe)
    assert str(caught.value).endswith("run: embedtool model pull 'https://example.org/$(id)'")


def stranger_folder(folder: Path, **changes: object) -> str:
    """Write a copy of the built-in model folder with changes in its model.json."""
    shutil.copytree(BUILTIN, folder)
    card = json.loads((folder / "model.json").read_text("utf-8"))
    (folder / "model.json").write_text(json.dumps(card | changes), "utf-8")
    return str(folder)


@pytest.mark.slow
def test_a_model_folder_does_not_lead_to_a_program(stranger: Sent, tmp_path: Path) -> None:
    recipe = sender_recipe(stranger)
    claims: dict[str, Any] = {
        "architecture": "saved_model",
        "saved_model": str(stranger.model),
        "weights": files_digest(stranger.model),
        "layers": {"output": 3},
        "layer": "output",
        "size": 32,
        "low": 0.0,
        "high": 1.0,
    }
    folder = stranger_folder(tmp_path / "folder", **claims)
    with pytest.raises(ModelUnavailable, match="expected a MobileNetV2 in the model folder"):
        reopen(folder, recipe)
    with pytest.raises(ModelUnavailable, match="expected a MobileNetV2 in the model folder"):
        load_backbone(folder)
    assert not stranger.written.exists()


def test_no_tensor_of_another_model_folder_is_loaded(tmp_path: Path) -> None:
    recipe = load_backbone("builtin").recipe
    folder = stranger_folder(tmp_path / "folder", weights="0" * 64)
    (tmp_path / "folder" / "weights.safetensors").write_bytes(b"not read")
    with pytest.raises(ModelMismatch, match=r"\(weights changed\)"):
        reopen(folder, recipe)


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": ["out_relu"]},
        {"layers": {"out_relu": "1280"}},
        {"layer": {}},
        {"size": 10**9},
        {"size": "96"},
        {"alpha": 1e6},
        {"compiled": None},
        {"format": "2"},
    ],
)
def test_a_model_json_with_wrong_values_is_refused(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    folder = stranger_folder(tmp_path / "folder", **changes)
    with pytest.raises(ModelUnavailable, match="expected a model folder at"):
        reopen(folder, load_backbone("builtin").recipe)


def test_a_litert_file_that_the_user_never_named_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's may be another network, or never end. The weights are compiled instead."""
    monkeypatch.setenv("EMBEDTOOL_CACHE_DIR", str(tmp_path / "cache"))
    recipe = load_backbone("builtin").recipe
    content = b"another network"
    folder = tmp_path / "folder"
    name = f"{recipe.precision_name}.tflite"
    stranger_folder(folder, compiled={name: hashlib.sha256(content).hexdigest()})
    (folder / name).write_bytes(content)
    assert reopen(str(folder), recipe).folder.compiled == {}
    load_backbone(str(folder))  # the user names it
    assert set(reopen(str(folder), recipe).folder.compiled) == {name}


def test_the_digest_of_a_litert_file_is_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDTOOL_CACHE_DIR", str(tmp_path / "cache"))
    stranger_folder(tmp_path / "folder", compiled={"x.tflite": "../../../mine", "y": "/mine\0"})
    load_backbone(str(tmp_path / "folder"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "folder"]


@pytest.mark.parametrize("name", ["weights.safetensors", "training-images.safetensors"])
def test_a_pipe_in_a_model_folder_is_not_waited_for(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    stranger_folder(folder, training_images="0" * 64)
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    model = load_backbone(str(folder)).folder
    read = model.tensors if name.startswith("weights") else model.read_training_images
    with pytest.raises(ModelUnavailable, match="regular file"):
        read()
