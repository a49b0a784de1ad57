"""What becomes of photos, settings and options that cannot be used."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.command import embedtool_here as embedtool
from support.finetuning import save_photos

from embedtool import FinetuneSettings, finetune_model
from embedtool.errors import (
    PhotosMissing,
    UsageError,
)
from embedtool.models.find_model import BUILTIN


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"one": 5}, "at least two classes"),
        ({"one": 1, "two": 1}, "at least two classes"),
        ({"one": 5, "two": 1}, "at least two classes"),
        ({"one": 3, "two": 3, "same": True}, "only copies of one, 6 photos"),
    ],
)
def test_too_little_to_learn_from(counts: dict[str, Any], words: str, tmp_path: Path) -> None:
    photos = save_photos(tmp_path / "photos", **counts)
    with pytest.raises(UsageError, match=words):
        finetune_model(photos, out=tmp_path / "out", model="builtin")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_one_line_for_what_cannot_be_meant(tmp_path: Path) -> None:
    model = shutil.copytree(BUILTIN, tmp_path / "model")
    photos = save_photos(tmp_path / "photos", one=4, two=4)
    for code, arguments, words in (
        (2, ["--epochs", "-1"], "epochs from 0 to 10000"),
        (2, ["--html", "page.html", "--validation-share", "0"], "there are none"),
        (1, ["--html", tmp_path], "this is a folder"),
        (
            1,
            ["--html", tmp_path / "nowhere" / "page.html"],
            "nowhere: this folder does not exist",
        ),
    ):
        done = embedtool("finetune", photos, "--out", tmp_path / "o", *arguments)
        assert done.code == code
        assert done.err.startswith("error:") and done.err.count("\n") == 1 and words in done.err
    for out, settings, words in (
        (model, FinetuneSettings(), "choose another --out"),
        (tmp_path / "o", FinetuneSettings(unfreeze="block_99"), "block_16"),
        (tmp_path / "o", FinetuneSettings(mixed_precision=True), "needs a GPU"),
    ):
        with pytest.raises(UsageError, match=words):
            finetune_model(photos, out=out, model="builtin", settings=settings)
    with pytest.raises(PhotosMissing):
        finetune_model(tmp_path / "nowhere", out=tmp_path / "o", model="builtin")
