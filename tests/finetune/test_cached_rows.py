"""Rows of activations: cached within bounds, and of photos that are still there."""

from pathlib import Path

import pytest
from support.finetuning import QUICK, dataset_of, save_photos
from support.pictures import picture, save

from embedtool import FinetuneSettings
from embedtool.errors import (
    EmbedtoolError,
)
from embedtool.finetune.augmentation_sheet import write_sheet
from embedtool.finetune.examples import load_examples
from embedtool.finetune.frozen_part import FrozenPart
from embedtool.models import load_backbone


def test_rows_of_other_photos_are_evicted_where_new_ones_need_the_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDTOOL_CACHE_DIR", str(tmp_path / "cache"))
    photos = save_photos(tmp_path / "photos", one=2, two=2)
    frozen_part = FrozenPart(load_backbone("builtin"), "all")
    row = 96 * 96 * 3  # its pixels; besides, a vector of each photo is cached, a tenth of that

    def cached_within(rows: int) -> list[tuple[int, int]]:
        """Where the rows lie, and how many they are."""
        settings = FinetuneSettings(unfreeze="all", copies=1)
        load_examples(dataset_of(photos), frozen_part, settings, cache_bytes=rows * row)
        cached = [file.stat() for file in (tmp_path / "cache" / "activations").glob("*/rows")]
        return sorted((file.st_ino, file.st_size // row) for file in cached if file.st_size >= row)

    first = cached_within(9)
    assert [count for _, count in first] == [4, 4], "each photo, and a copy of each"
    assert cached_within(9) == first, "nothing is new"
    save(photos / "one" / "0.jpg", picture(900))
    grown = [(file, 5) for file, _ in first]
    assert cached_within(11) == grown
    assert cached_within(11) == grown, "nothing is new"
    save(photos / "one" / "1.jpg", picture(901))
    assert [count for _, count in cached_within(11)] == [4, 4]


def test_a_photo_removed_before_training_is_named(tmp_path: Path) -> None:
    photos = save_photos(tmp_path / "photos", one=3, two=3)
    save(photos / "one" / "1.jpg", picture(990))  # of which no test has rows
    found = dataset_of(photos)
    (photos / "one" / "1.jpg").unlink()
    frozen_part = FrozenPart(load_backbone("builtin"), "block_16")
    with pytest.raises(EmbedtoolError, match=r"1\.jpg was changed or removed"):
        load_examples(found, frozen_part, QUICK)
    with pytest.raises(EmbedtoolError, match=r"1\.jpg was changed or removed"):
        write_sheet(found.training.photos, tmp_path / "sheet.png", QUICK, size=96)
