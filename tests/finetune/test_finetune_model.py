"""Fine-tuning: what is trained and what is not, what is counted, what a kill costs."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.finetuning import KINDS, QUICK, SETTINGS, save_photos
from support.pictures import picture, save

from embedtool import FinetuneSettings, finetune_model
from embedtool.core.lock import acquire_lock
from embedtool.errors import (
    IndexLocked,
)
from embedtool.finetune.frozen_part import FrozenPart
from embedtool.finetune.report import FinetuneReport
from embedtool.finetune.trained_part import TrainedPart
from embedtool.models import load_backbone
from embedtool.models.keras_runtime import keras, tf
from embedtool.models.model_folder import read_folder

pytestmark = pytest.mark.slow


def test_what_is_below_the_cut_and_every_average_stay_as_they_were(report: FinetuneReport) -> None:
    before, after = load_backbone("builtin").folder.tensors(), read_folder(report.model).tensors()
    assert before.keys() == after.keys()
    changed = [name for name in before if not np.array_equal(before[name], after[name])]
    trained = ("block_15", "block_16", "Conv_1")
    assert changed and all(name.startswith(trained) for name in changed)
    for name in before:
        if "moving" in name:
            assert np.array_equal(before[name], after[name]), name
    assert not np.array_equal(before["block_15_expand/kernel"], after["block_15_expand/kernel"])


def test_the_counts_add_up(report: FinetuneReport) -> None:
    assert report.trained_on + report.validated_on == 24
    [reject] = report.rejects
    assert reject.path.name == "cut off.jpg" and reject.stage == "decode"
    assert report.classes == tuple(sorted(KINDS))
    assert [(e.phase, e.epoch) for e in report.history] == [
        ("head", 1), ("head", 2), ("layers", 3), ("layers", 4)
    ]  # fmt: skip


def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(
    report: FinetuneReport, photos: Path, tmp_path: Path
) -> None:
    """Killed within the head's phase and, after going on, within the layers', to the bit."""
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(SETTINGS.record()))
    command = [
        sys.executable, "-m", "embedtool", "finetune", str(photos), "--model", "builtin",
        "--out", str(tmp_path / "killed"), "--config", str(settings),
    ]  # fmt: skip
    for seen in (b"epoch 1 head", b"epoch 3 layers"):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert process.stderr
        for line in process.stderr:
            if line.startswith(seen):
                os.kill(process.pid, signal.SIGKILL)
                break
        process.communicate()
        assert not (tmp_path / "killed").exists()
    epochs: list[int] = []
    finetune_model(
        photos,
        out=tmp_path / "killed",
        model="builtin",
        settings=SETTINGS,
        after_epoch=lambda epoch: epochs.append(epoch.epoch),
    )
    assert epochs == [4]
    assert not (tmp_path / "killed.training").exists()
    for name in ("weights.safetensors", "probe/probe.safetensors", "float32.tflite"):
        assert (tmp_path / "killed" / name).read_bytes() == (report.model / name).read_bytes()


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
