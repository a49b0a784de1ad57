"""Fixtures: one fine-tuned model, which several tests look at."""

import shutil
from pathlib import Path

import pytest
from support.finetuning import KINDS, SETTINGS

from embedtool import finetune_model
from embedtool.finetune.report import FinetuneReport


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of each of four kinds, and one that is cut off."""
    from embedtool.images.drawn import draw_photos

    folder = tmp_path_factory.mktemp("labelled")
    draw_photos(folder / "all", per_kind=6)
    for kind in KINDS:
        shutil.move(folder / "all" / kind, folder / "photos" / kind)
    (folder / "photos" / "sunset" / "copy of sunset-01.jpg").unlink()
    return folder / "photos"


@pytest.fixture(scope="session")
def report(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> FinetuneReport:
    out = tmp_path_factory.mktemp("out")
    return finetune_model(
        photos,
        out=out / "model",
        model="builtin",
        settings=SETTINGS,
        sheet=out / "sheet.png",
        tensorboard=out / "logs",
    )
