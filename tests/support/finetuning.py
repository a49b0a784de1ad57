"""Labelled photos, settings and data sets to fine-tune with."""

from pathlib import Path

from support.pictures import picture, save

from embedtool import FinetuneSettings
from embedtool.finetune.dataset import Dataset, read_dataset
from embedtool.models import load_backbone

KINDS = ("city", "fish", "sunset", "flower")
SETTINGS = FinetuneSettings(
    unfreeze="block_15", head_epochs=2, epochs=2, copies=1, batch_size=8, validation_share=0.25
)
QUICK = FinetuneSettings(unfreeze="none", head_epochs=0, epochs=1, copies=0, validation_share=0.25)


def save_photos(folder: Path, *, same: bool = False, **counts: int) -> Path:
    for number, (name, count) in enumerate(counts.items()):
        for n in range(count):
            save(folder / name / f"{n}.jpg", picture(100 * number + (0 if same else n)))
    return folder


def dataset_of(
    photos: Path,
    *,
    validation: Path | None = None,
    test: Path | None = None,
    labels: Path | None = None,
    share: float = 0.0,
) -> Dataset:
    return read_dataset(
        photos, backbone=load_backbone("builtin"), labels=labels, validation=validation, test=test,
        share=share, seed=0,
    )  # fmt: skip
