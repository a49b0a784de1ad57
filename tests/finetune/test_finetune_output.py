"""What a fine-tuning run trains and writes, also where it was killed: a model folder, its head as a
probe, sheet, logs and page."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.command import embedtool, embedtool_here
from support.finetuning import KINDS, QUICK, SETTINGS, dataset_of, save_photos
from support.pictures import picture, save

from embedtool import FinetuneSettings, finetune_model
from embedtool.classification.probe import read_probe
from embedtool.errors import (
    ModelUnavailable,
)
from embedtool.finetune.frozen_part import FrozenPart
from embedtool.finetune.report import FinetuneReport
from embedtool.finetune.trained_part import TrainedPart
from embedtool.finetune.write_model import write_head
from embedtool.images.decode import decode_image
from embedtool.models import load_backbone
from embedtool.models.embedder import NetworkEmbedder
from embedtool.models.model_folder import read_folder

pytestmark = pytest.mark.slow


def test_the_report_is_in_the_folder_and_in_shape(report: FinetuneReport) -> None:
    written = json.loads((report.model / "report.json").read_text())
    assert written == json.loads(json.dumps(report.file_record()))
    assert written["n"] == report.validated_on and written["settings"]["rotation"] == 15.0
    assert (written["temperature"], written["chosen_by_judged"]) == (1.0, [])
    assert written["settings"] == SETTINGS.file_record() and "rate" in written["settings"]
    record = report.record()
    assert record["settings"] == SETTINGS.record() and record["selected_on_test"] == []
    assert any("held-out images with" in note for note in report.notes)
    assert {"accuracy", "accuracy_ci95", "macro_f1", "per_class", "confusion", "gain"} <= set(
        written
    )
    assert json.loads((report.model / "labels.json").read_text()) == {"classes": sorted(KINDS)}
    assert sorted(path.name for path in report.model.iterdir()) == [
        "float32.tflite",
        "labels.json",
        "model.json",
        "probe",
        "report.json",
        "training-images.safetensors",
        "weights.safetensors",
    ]


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


def test_its_vectors_and_its_head_say_what_the_report_says(report: FinetuneReport) -> None:
    result = report.test_result
    assert result
    tuned = NetworkEmbedder(load_backbone(str(report.model)))
    assert tuned.fingerprint == report.fingerprint
    rows = np.stack([decode_image(path.read_bytes(), 96) for path in result.paths])
    probe = read_probe(report.model / "probe")
    assert (probe.classes, probe.fingerprint) == (report.classes, report.fingerprint)
    assert np.allclose(probe.probabilities(tuned.embed(rows)), result.probabilities, atol=1e-5)
    reference = NetworkEmbedder(load_backbone(str(report.model)), runtime="tensorflow")
    assert (1 - (tuned.embed(rows) * reference.embed(rows)).sum(1)).max() < 1e-4


@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh"])
def test_a_head_with_a_hidden_layer_is_a_probe_that_says_what_keras_says(
    activation: str, tmp_path: Path
) -> None:
    backbone = load_backbone("builtin", precision="float32")
    frozen_part = FrozenPart(backbone, "none")
    settings = FinetuneSettings(unfreeze="none", head_width=8, head_activation=activation)
    trained_part = TrainedPart(backbone.folder, frozen_part.shape, 2, settings)
    write_head(
        tmp_path,
        trained_part.head(),
        dataset_of(save_photos(tmp_path / "photos", one=3, two=3)),
        settings,
        model="builtin",
        fingerprint=backbone.fingerprint,
        strength=1.0,
        temperature=2.0,
    )
    pixels = np.stack([np.asarray(picture(seed, (96, 96))) for seed in range(6)])
    logits = np.asarray(trained_part.model(frozen_part.forward(pixels).astype(np.float32))) / 2
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    probe = read_probe(tmp_path / "probe")
    found = probe.probabilities(NetworkEmbedder(backbone).embed(pixels))
    assert np.abs(found - shares).max() < 1e-3, "its rows are rounded to float16"
    assert np.ptp(shares) > 0.01


def test_index_takes_it(report: FinetuneReport, photos: Path, tmp_path: Path) -> None:
    done = embedtool("index", photos, "--index", tmp_path / "i", "--model", report.model, "--json")
    assert done.code == 0, done.err
    assert (json.loads(done.out)["added"], json.loads(done.out)["rejected"]) == (24, 1)


def test_tensorboard_logs_hold_the_history(report: FinetuneReport) -> None:
    import tensorflow as tf

    logged = {}
    for file in sorted((report.model.parent / "logs").iterdir()):
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                logged[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    for epoch in report.history:
        assert logged["loss", epoch.epoch] == pytest.approx(epoch.loss, rel=1e-6)
        assert logged["validation_accuracy", epoch.epoch] == pytest.approx(
            epoch.validation_accuracy, rel=1e-6
        )


def test_the_sheet_shows_photos_and_their_copies(report: FinetuneReport, photos: Path) -> None:
    from PIL import Image

    with Image.open(report.model.parent / "sheet.png") as sheet:
        assert sheet.size == (2 * 100 - 4, 10 * 100 - 4), "it learns from one copy of each"
        pixels = np.asarray(sheet)
    learned = sorted(p for p in photos.rglob("*.*") if p.name != "cut off.jpg")
    decoded = [decode_image(path.read_bytes(), 96) for path in learned]
    for row in range(10):
        shown = pixels[100 * row : 100 * row + 96]
        assert any(np.array_equal(shown[:, :96], plain) for plain in decoded)
        assert not np.array_equal(shown[:, :96], shown[:, 100:196])


@pytest.mark.parametrize("name", ["weights.safetensors", "float32.tflite", "model.json"])
def test_a_model_folder_cut_in_half(name: str, report: FinetuneReport, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(report.model, broken)
    content = (broken / name).read_bytes()
    (broken / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelUnavailable, match=r"model|weights"):
        load_backbone(str(broken)).folder.tensors()
        load_backbone(str(broken)).compiled()


def test_a_page_of_scores_and_curves(tmp_path: Path) -> None:
    photos = save_photos(tmp_path / "photos", one=4, two=4)
    test_photos = tmp_path / "test_photos"
    for n, kind in enumerate(("one", "two")):
        save(test_photos / kind / f"{n}.jpg", picture(800 + n))
    (tmp_path / "quick.json").write_text(json.dumps(QUICK.record()))
    page = tmp_path / "page.html"
    done = embedtool_here(
        "finetune",
        photos,
        "--out",
        tmp_path / "model",
        "--model",
        "builtin",
        "--test",
        test_photos,
        "--config",
        tmp_path / "quick.json",
        "--html",
        page,
        "--json",
    )
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert (record["n"], record["selected_on_test"]) == (2, [])
    text = page.read_text()
    assert "fine-tuned from builtin" in text and f"{record['gain']:+.4f}" in text
    assert "://" not in text.replace("http://www.w3.org", "")
