"""Fine-tuning: few images, a lock, photos that go meanwhile, mixed precision."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.finetuning import QUICK, save_photos
from support.pictures import picture, save

from embedtool import FinetuneSettings, finetune_model
from embedtool.core.lock import acquire_lock
from embedtool.errors import (
    IndexLocked,
    UsageError,
)
from embedtool.finetune.frozen_part import FrozenPart
from embedtool.finetune.trained_part import TrainedPart
from embedtool.models import load_backbone
from embedtool.models.keras_runtime import keras, tf

pytestmark = pytest.mark.slow


def test_a_class_with_one_image_and_a_batch_above_the_set(tmp_path: Path) -> None:
    photos = save_photos(tmp_path / "photos", one=4, two=4, single=1)
    (photos / "one" / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing")
    report = finetune_model(photos, out=tmp_path / "out", model="builtin", settings=QUICK)
    assert report.trained_on + report.validated_on == 9
    assert [reject.path.name for reject in report.rejects] == ["bad.jpg"]
    assert any("single" in note for note in report.notes)
    assert any("batch" in note for note in report.notes)


def test_one_run_at_a_time(tmp_path: Path) -> None:
    photos = save_photos(tmp_path / "photos", one=4, two=4)
    (tmp_path / "out.training").mkdir()
    lock = acquire_lock(tmp_path / "out.training")
    with pytest.raises(IndexLocked, match=r"writing to .*out.training"):
        finetune_model(photos, out=tmp_path / "out", model="builtin", settings=QUICK)
    os.close(lock)
    finetune_model(photos, out=tmp_path / "out", model="builtin", settings=QUICK)
    assert not (tmp_path / "out.training").exists()


def test_photos_in_the_folder_of_the_checkpoint_are_not_deleted(tmp_path: Path) -> None:
    photos = save_photos(tmp_path / "clothes.training", one=4, two=4)
    with pytest.raises(UsageError, match=r"expected .*clothes.training.* but it contains one"):
        finetune_model(photos, out=tmp_path / "clothes", model="builtin", settings=QUICK)
    assert len(list(photos.rglob("*.jpg"))) == 8


def test_a_photo_removed_during_training_costs_no_trained_model(tmp_path: Path) -> None:
    photos = save_photos(tmp_path / "photos", one=4, two=4)
    test_photos = tmp_path / "test_photos"
    for n, kind in enumerate(("one", "two", "one", "two")):
        save(test_photos / kind / f"{n}.jpg", picture(500 + n))

    def spoil(_: object) -> None:
        (test_photos / "one" / "0.jpg").unlink()
        save(test_photos / "two" / "1.jpg", picture(600))

    report = finetune_model(
        photos, out=tmp_path / "out", model="builtin", test=test_photos, after_epoch=spoil,
        settings=replace(QUICK, class_weights="balanced"),
    )  # fmt: skip
    assert report.test_result is not None
    assert [path.name for path in report.test_result.paths] == ["2.jpg", "3.jpg"]
    assert [reject.path.name for reject in report.rejects] == ["0.jpg", "1.jpg"]
    assert {reject.reason for reject in report.rejects} == {"changed or removed during training"}
    assert (report.model / "report.json").is_file()


def test_mixed_precision_ends_with_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine with a GPU is played by one without: TensorFlow trains in float16 there, too."""
    photos = save_photos(tmp_path / "photos", one=4, two=4)
    settings = FinetuneSettings(
        unfreeze="block_16", head_epochs=1, epochs=1, copies=0, mixed_precision=True
    )
    real = tf.config.list_physical_devices
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: real(kind) or [kind])
    report = finetune_model(photos, out=tmp_path / "out", model="builtin", settings=settings)
    assert keras.mixed_precision.dtype_policy().name == "float32"
    assert all(np.isfinite(epoch.loss) for epoch in report.history)
    assert load_backbone(str(report.model)).fingerprint == report.fingerprint
    frozen_part = FrozenPart(load_backbone("builtin"), "block_16")
    trained_part = TrainedPart(load_backbone("builtin").folder, frozen_part.shape, 2, settings)
    layers = {
        layer.name: layer.compute_dtype
        for layer in (*trained_part.network.layers, *trained_part.model.layers)
    }
    assert (layers["block_16_project"], layers["logits"]) == ("float16", "float32")
    assert trained_part.model.dtype_policy.name == "mixed_float16", (
        "it says whether the loss is scaled"
    )
