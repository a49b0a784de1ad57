"""Fine-tuning: what is trained and what is not, what comes out, and what becomes of bad input."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import numpy as np
import pytest
from support.command import embedtool
from support.pictures import picture, save

from embedtool import FinetuneReport, FinetuneSettings, finetune_model, read_settings
from embedtool.classification.probe import read_probe
from embedtool.classification.temperature import fit_temperature
from embedtool.core.lock import acquire_lock
from embedtool.errors import (
    EmbedtoolError,
    IndexLocked,
    ModelUnavailable,
    PhotosMissing,
    UsageError,
)
from embedtool.finetune.augmentation_sheet import write_sheet
from embedtool.finetune.dataset import Dataset, survey
from embedtool.finetune.examples import load_examples
from embedtool.finetune.features import Photo
from embedtool.finetune.frozen_part import FrozenPart
from embedtool.finetune.initial_head import fit_probe
from embedtool.finetune.keras_runtime import keras, tf
from embedtool.finetune.trained_part import TrainedPart
from embedtool.finetune.training import train
from embedtool.finetune.write_model import write_head
from embedtool.images.decode import decode_image
from embedtool.models import load_backbone
from embedtool.models.embedder import NetworkEmbedder
from embedtool.models.model_folder import read_folder

KINDS = ("city", "fish", "sunset", "flower")
SETTINGS = FinetuneSettings(
    unfreeze="block_15", head_epochs=2, epochs=2, copies=1, batch_size=8, validation_share=0.25
)
QUICK = FinetuneSettings(unfreeze="none", head_epochs=0, epochs=1, copies=0, validation_share=0.25)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of each of four kinds, and one that is cut off."""
    from embedtool.images.drawn import draw_photos

    folder = tmp_path_factory.mktemp("labelled")
    draw_photos(folder / "all", each=6)
    for kind in KINDS:
        shutil.move(folder / "all" / kind, folder / "photos" / kind)
    (folder / "photos" / "sunset" / "copy of sunset-01.jpg").unlink()
    return folder / "photos"


@pytest.fixture(scope="module")
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


def test_the_report_is_in_the_folder_and_in_shape(report: FinetuneReport) -> None:
    written = json.loads((report.model / "report.json").read_text())
    assert written == json.loads(json.dumps(report.record()))
    assert written["n"] == report.validated_on and written["settings"]["rotation"] == 15.0
    assert (written["temperature"], written["chosen_by_judged"]) == (1.0, [])
    assert any("held out, with" in note for note in report.notes)
    assert {"accuracy", "accuracy_ci95", "macro_f1", "per_class", "confusion", "gain"} <= set(
        written
    )
    assert json.loads((report.model / "labels.json").read_text()) == {"classes": sorted(KINDS)}
    assert sorted(path.name for path in report.model.iterdir()) == [
        "float32.tflite", "labels.json", "model.json", "probe", "report.json",
        "weights.safetensors",
    ]  # fmt: skip


def test_its_vectors_and_its_head_say_what_the_report_says(report: FinetuneReport) -> None:
    judged = report.judgement
    assert judged
    tuned = NetworkEmbedder(load_backbone(str(report.model)))
    assert tuned.fingerprint == report.fingerprint
    rows = np.stack([decode_image(path.read_bytes(), 96) for path in judged.paths])
    probe = read_probe(report.model / "probe")
    assert (probe.classes, probe.fingerprint) == (report.classes, report.fingerprint)
    assert np.allclose(probe.probabilities(tuned.embed(rows)), judged.probabilities, atol=1e-5)
    reference = NetworkEmbedder(load_backbone(str(report.model)), runtime="tensorflow")
    assert (1 - (tuned.embed(rows) * reference.embed(rows)).sum(1)).max() < 1e-4


@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh"])
def test_a_head_with_a_hidden_layer_is_a_probe_that_says_what_keras_says(
    activation: str, tmp_path: Path
) -> None:
    backbone = load_backbone("builtin", precision="float32")
    bottom = FrozenPart(backbone, "none")
    settings = FinetuneSettings(unfreeze="none", head_width=8, head_activation=activation)
    top = TrainedPart(backbone.folder, bottom.shape, 2, settings)
    write_head(
        tmp_path, top.head(), surveyed(album(tmp_path / "photos", one=3, two=3)), settings,
        model="builtin", fingerprint=backbone.fingerprint, strength=1.0, temperature=2.0,
    )  # fmt: skip
    pixels = np.stack([np.asarray(picture(seed, (96, 96))) for seed in range(6)])
    logits = np.asarray(top.model(bottom.forward(pixels).astype(np.float32))) / 2
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


@pytest.mark.parametrize("unfreeze", ["block_15", "none"])
def test_the_two_parts_make_the_whole(unfreeze: str) -> None:
    """LiteRT below the cut, rounded to float16, and Keras above it, against Keras alone."""
    backbone = load_backbone("builtin", precision="float32")
    bottom = FrozenPart(backbone, unfreeze)
    top = TrainedPart(backbone.folder, bottom.shape, 3, FinetuneSettings(unfreeze=unfreeze))
    pixels = np.stack([np.asarray(picture(seed, (96, 96))) for seed in range(6)])
    vectors = np.asarray(top.vectors(bottom.forward(pixels).astype(np.float32)))
    whole = NetworkEmbedder(backbone, runtime="tensorflow").embed(pixels)
    assert (1 - (vectors * whole).sum(1)).max() < 1e-4


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


def album(folder: Path, *, same: bool = False, **counts: int) -> Path:
    for number, (name, count) in enumerate(counts.items()):
        for n in range(count):
            save(folder / name / f"{n}.jpg", picture(100 * number + (0 if same else n)))
    return folder


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"one": 5}, "two classes or more"),
        ({"one": 1, "two": 1}, "two classes or more"),
        ({"one": 5, "two": 1}, "two classes or more"),
        ({"one": 3, "two": 3, "same": True}, "one and copies of it, 6 photos"),
    ],
)
def test_too_little_to_learn_from(counts: dict[str, int], words: str, tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", **counts)
    with pytest.raises(UsageError, match=words):
        finetune_model(photos, out=tmp_path / "out", model="builtin")
    assert not (tmp_path / "out").exists()


def test_a_class_with_one_image_and_a_batch_above_the_set(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", one=4, two=4, single=1)
    (photos / "one" / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing")
    report = finetune_model(photos, out=tmp_path / "out", model="builtin", settings=QUICK)
    assert report.trained_on + report.validated_on == 9
    assert [reject.path.name for reject in report.rejects] == ["bad.jpg"]
    assert any("single" in note for note in report.notes)
    assert any("batch" in note for note in report.notes)


def test_one_run_at_a_time(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", one=4, two=4)
    (tmp_path / "out.training").mkdir()
    lock = acquire_lock(tmp_path / "out.training")
    with pytest.raises(IndexLocked, match=r"writing to .*out.training"):
        finetune_model(photos, out=tmp_path / "out", model="builtin", settings=QUICK)
    os.close(lock)
    finetune_model(photos, out=tmp_path / "out", model="builtin", settings=QUICK)
    assert not (tmp_path / "out.training").exists()


def surveyed(
    photos: Path,
    *,
    validation: Path | None = None,
    test: Path | None = None,
    labels: Path | None = None,
    share: float = 0.0,
) -> Dataset:
    return survey(
        photos, backbone=load_backbone("builtin"), labels=labels, validation=validation, test=test,
        share=share, seed=0,
    )  # fmt: skip


def test_nothing_is_learned_from_that_is_alike_to_what_judges(tmp_path: Path) -> None:
    """Copied whole, saved anew at half the size, and under another label."""
    photos = album(tmp_path / "photos", one=5, two=5)
    (photos / "one" / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing")
    shutil.copytree(photos, tmp_path / "held")
    for kept in ("one/4.jpg", "two/4.jpg", "one/bad.jpg"):
        (tmp_path / "held" / kept).unlink()
    judged = album(tmp_path / "judged", one=0, two=0)
    save(judged / "one" / "small.jpg", picture(0).resize((32, 24)))
    save(judged / "one" / "new.jpg", picture(900))
    (judged / "one" / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing")
    shutil.copy(photos / "one" / "3.jpg", judged / "one")
    (judged / "two").mkdir()
    shutil.copy(photos / "one" / "1.jpg", judged / "two")
    found = surveyed(photos, test=judged)
    assert [name(p) for p in found.training.photos if p.label == 0] == ["one/2.jpg", "one/4.jpg"]
    assert len(found.training.photos) == len(found.groups) == 7
    assert len(found.test.photos) == 4
    assert "training photos alike to one to validate or test on, left out: 3" in found.notes
    assert sorted(reject.path.parent.parent.name for reject in found.rejects) == [
        "judged", "photos"
    ]  # fmt: skip
    with pytest.raises(
        UsageError,
        match=r"0 one, 0 two; training photos alike to .* left out: 10; photos refused: 1",
    ):
        surveyed(photos, test=photos)


def test_what_is_held_out_is_not_what_judges(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", one=6, two=6)
    for role, numbers in (("held", (0, 1)), ("judged", (1, 2))):
        for kind in ("one", "two"):
            (tmp_path / role / kind).mkdir(parents=True)
            for n in numbers:
                shutil.copy(photos / kind / f"{n}.jpg", tmp_path / role / kind)
    found = surveyed(photos, validation=tmp_path / "held", test=tmp_path / "judged")
    kept = {kind: sorted(map(name, getattr(found, kind).photos)) for kind in ("validation", "test")}
    assert kept["validation"] == ["one/0.jpg", "two/0.jpg"]
    assert kept["test"] == ["one/1.jpg", "one/2.jpg", "two/1.jpg", "two/2.jpg"]
    assert len(found.training.photos) == 6
    assert "validation photos alike to one to test on, left out: 2" in found.notes


@pytest.mark.parametrize(("share", "held"), [(0.1, 2), (0.25, 5), (0.4, 8), (0.5, 10)])
def test_the_share_that_is_held_out(share: float, held: int, tmp_path: Path) -> None:
    found = surveyed(album(tmp_path / "photos", one=10, two=10), share=share)
    assert (len(found.training.photos), len(found.validation.photos)) == (20 - held, held)


def test_a_table_of_labels(tmp_path: Path) -> None:
    """What it says nothing of has the names of its folders, or no class; one path is one photo."""
    photos = album(tmp_path / "photos", all=7)
    judged = album(tmp_path / "judged", cat=0, dog=0)
    for n, kind in enumerate(("cat", "dog")):
        save(judged / kind / f"new {n}.jpg", picture(700 + n))
    table = tmp_path / "labels.csv"
    kinds = ("cat", "dog", "cat", "dog", "cat")
    lines = [f"all/{n}.jpg,{kind}" for n, kind in enumerate(kinds)]
    lines += ["photos/all/5.jpg,cat", "all/5.jpg,dog", "all/99.jpg,dog"]
    table.write_text("\n".join(["path,label", *lines]) + "\n")
    found = surveyed(photos, labels=table, test=judged)
    assert found.classes == ("cat", "dog")
    assert [(name(p), p.label) for p in found.training.photos] == [
        (f"all/{n}.jpg", ("cat", "dog").index(kind)) for n, kind in enumerate(kinds)
    ]
    assert [(name(p), p.label) for p in found.test.photos] == [
        ("cat/new 0.jpg", 0),
        ("dog/new 1.jpg", 1),
    ]
    assert found.notes == (
        f"1 paths of {table} are none of the photos, the first 'all/99.jpg'",
        "1 of 7 training photos have no label",
        "1 training photos have several labels: left out",
        f"{table} names no test photo: their folders' names are their classes",
    )
    save(judged / "all" / "1.jpg", picture(703))
    with pytest.raises(UsageError, match=r"'all/1.jpg' is .*judged/all/1.jpg and .*photos/all"):
        surveyed(photos, labels=table, test=judged)
    table.write_text("path,label\nnowhere.jpg,cat\n")
    with pytest.raises(UsageError, match=r"learn from in .*labels.csv, found none; 1 paths"):
        surveyed(photos, labels=table)


def name(photo: Photo) -> str:
    return os.fsdecode(photo.source.path)


def test_one_line_for_what_cannot_be_meant(tmp_path: Path, report: FinetuneReport) -> None:
    photos = album(tmp_path / "photos", one=4, two=4)
    for code, arguments, words in (
        (2, ["--optimiser", "magic"], "adamw, sgd, rmsprop"),
        (2, ["--epochs", "-1"], "epochs of at least 0"),
        (2, ["--html", "page.html", "--validation-share", "0"], "none are held out"),
        (1, ["--html", tmp_path], "this is a folder"),
        (
            1,
            ["--html", tmp_path / "nowhere" / "page.html"],
            "nowhere: expected a folder, there is none",
        ),
    ):
        done = embedtool("finetune", photos, "--out", tmp_path / "o", *arguments)
        assert done.code == code
        assert done.err.startswith("error:") and done.err.count("\n") == 1 and words in done.err
    for out, settings, words in (
        (report.model, FinetuneSettings(), "choose another --out"),
        (tmp_path / "o", FinetuneSettings(unfreeze="block_99"), "block_16"),
        (tmp_path / "o", FinetuneSettings(mixed_precision=True), "needs a GPU"),
    ):
        with pytest.raises(UsageError, match=words):
            finetune_model(photos, out=out, model="builtin", settings=settings)
    with pytest.raises(PhotosMissing):
        finetune_model(tmp_path / "nowhere", out=tmp_path / "o", model="builtin")


@pytest.mark.parametrize("name", ["weights.safetensors", "float32.tflite", "model.json"])
def test_a_model_folder_cut_in_half(name: str, report: FinetuneReport, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(report.model, broken)
    content = (broken / name).read_bytes()
    (broken / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelUnavailable, match=r"model|weights"):
        load_backbone(str(broken)).folder.tensors()
        load_backbone(str(broken)).compiled()


def test_patience_counts_the_epochs_of_phase_two(tmp_path: Path) -> None:
    """At a rate of nothing no epoch is better than the first: phase two begins all the same."""
    settings = FinetuneSettings(
        unfreeze="none", head_epochs=3, epochs=3, copies=0, patience=1, rate=0.0, head_rate=0.0,
        schedule="constant",
    )  # fmt: skip
    found = surveyed(album(tmp_path / "photos", one=6, two=6), share=0.25)
    backbone = load_backbone("builtin")
    bottom = FrozenPart(backbone, "none")
    rows = load_examples(found, bottom, settings)
    top = TrainedPart(backbone.folder, bottom.shape, 2, settings)
    history = train(
        top, settings, rows.training, rows.validation, classes=2, work=tmp_path, run="one"
    )
    assert [epoch.phase for epoch in history] == ["head"] * 3 + ["layers"] * 2


def test_mixed_precision_ends_with_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine with a GPU is played by one without: TensorFlow trains in float16 there, too."""
    photos = album(tmp_path / "photos", one=4, two=4)
    settings = FinetuneSettings(
        unfreeze="block_16", head_epochs=1, epochs=1, copies=0, mixed_precision=True
    )
    real = tf.config.list_physical_devices
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: real(kind) or [kind])
    report = finetune_model(photos, out=tmp_path / "out", model="builtin", settings=settings)
    assert keras.mixed_precision.dtype_policy().name == "float32"
    assert all(np.isfinite(epoch.loss) for epoch in report.history)
    assert load_backbone(str(report.model)).fingerprint == report.fingerprint
    bottom = FrozenPart(load_backbone("builtin"), "block_16")
    top = TrainedPart(load_backbone("builtin").folder, bottom.shape, 2, settings)
    layers = {layer.name: layer.compute_dtype for layer in (*top.network.layers, *top.model.layers)}
    assert (layers["block_16_project"], layers["logits"]) == ("float16", "float32")
    assert top.model.dtype_policy.name == "mixed_float16", "it says whether the loss is scaled"


def test_a_photo_that_goes_meanwhile_costs_no_trained_model(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", one=4, two=4)
    judged = tmp_path / "judged"
    for n, kind in enumerate(("one", "two", "one", "two")):
        save(judged / kind / f"{n}.jpg", picture(500 + n))

    def spoil(_: object) -> None:
        (judged / "one" / "0.jpg").unlink()
        save(judged / "two" / "1.jpg", picture(600))

    report = finetune_model(
        photos, out=tmp_path / "out", model="builtin", test=judged, after_epoch=spoil,
        settings=replace(QUICK, class_weights="balanced"),
    )  # fmt: skip
    assert report.judgement is not None
    assert [path.name for path in report.judgement.paths] == ["2.jpg", "3.jpg"]
    assert [reject.path.name for reject in report.rejects] == ["0.jpg", "1.jpg"]
    assert {reject.reason for reject in report.rejects} == {"changed or removed meanwhile"}
    assert (report.model / "report.json").is_file()


def test_rows_of_other_photos_leave_where_new_ones_need_the_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDTOOL_CACHE_DIR", str(tmp_path / "cache"))
    photos = album(tmp_path / "photos", one=2, two=2)
    bottom = FrozenPart(load_backbone("builtin"), "all")
    row = 96 * 96 * 3  # its pixels; besides, a vector of each photo is kept, a tenth of that

    def kept_within(rows: int) -> list[tuple[int, int]]:
        """Where the rows lie, and how many they are."""
        settings = FinetuneSettings(unfreeze="all", copies=1)
        load_examples(surveyed(photos), bottom, settings, cache_bytes=rows * row)
        kept = [file.stat() for file in (tmp_path / "cache" / "activations").glob("*/rows")]
        return sorted((file.st_ino, file.st_size // row) for file in kept if file.st_size >= row)

    first = kept_within(9)
    assert [count for _, count in first] == [4, 4], "each photo, and a copy of each"
    assert kept_within(9) == first, "nothing is new"
    save(photos / "one" / "0.jpg", picture(900))
    grown = [(file, 5) for file, _ in first]
    assert kept_within(11) == grown
    assert kept_within(11) == grown, "nothing is new"
    save(photos / "one" / "1.jpg", picture(901))
    assert [count for _, count in kept_within(11)] == [4, 4]


def test_a_photo_that_goes_before_the_training_is_named(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", one=3, two=3)
    save(photos / "one" / "1.jpg", picture(990))  # of which no test has rows
    found = surveyed(photos)
    (photos / "one" / "1.jpg").unlink()
    bottom = FrozenPart(load_backbone("builtin"), "block_16")
    with pytest.raises(EmbedtoolError, match=r"1\.jpg was changed or removed meanwhile"):
        load_examples(found, bottom, QUICK)
    with pytest.raises(EmbedtoolError, match=r"1\.jpg was changed or removed meanwhile"):
        write_sheet(found.training.photos, tmp_path / "sheet.png", QUICK, size=96)


def test_from_scratch_batch_norm_knows_the_rows_that_were_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one batch its own averages are those of all: both modes of the network then agree."""
    eager = property(lambda _: True, lambda *_: None)  # a step costs less than compiling it
    monkeypatch.setattr(keras.Model, "run_eagerly", eager)
    settings = FinetuneSettings(
        unfreeze="all", from_scratch=True, head_epochs=0, epochs=1, copies=0, dropout=0.0
    )
    found = surveyed(album(tmp_path / "photos", one=6, two=6))
    backbone = load_backbone("builtin")
    bottom = FrozenPart(backbone, "all")
    rows = load_examples(found, bottom, settings)
    top = TrainedPart(backbone.folder, bottom.shape, 2, settings)
    train(top, settings, rows.training, None, classes=2)
    pixels = rows.training.rows(np.arange(12))
    learned, used = (np.asarray(top.model(pixels, training=mode)) for mode in (True, False))
    assert np.abs(learned - used).max() < 1e-3 < np.ptp(used)


def test_a_page_of_scores_and_curves(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", one=4, two=4)
    judged = tmp_path / "judged"
    for n, kind in enumerate(("one", "two")):
        save(judged / kind / f"{n}.jpg", picture(800 + n))
    (tmp_path / "quick.json").write_text(json.dumps(QUICK.record()))
    page = tmp_path / "page.html"
    done = embedtool(
        "finetune", photos, "--out", tmp_path / "model", "--model", "builtin", "--test", judged,
        "--config", tmp_path / "quick.json", "--html", page, "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert (record["n"], record["chosen_by_judged"]) == (2, [])
    text = page.read_text()
    assert "fine-tuned from builtin" in text and f"{record['gain']:+.4f}" in text
    assert "http" not in text.replace("http://www.w3.org", "")


def test_confidence_is_fitted_only_where_there_are_enough_mistakes() -> None:
    labels = np.arange(60) % 2
    shares = np.full((60, 2), 0.1, np.float32)
    shares[np.arange(60), labels] = 0.9
    assert fit_temperature(shares, labels) == (1.0, ANY)  # all right: no end to it
    wrong = labels.copy()
    wrong[:12] = 1 - wrong[:12]
    assert fit_temperature(shares[:49], wrong[:49])[0] == 1.0
    found, note = fit_temperature(shares, wrong)
    assert (found, note) == (pytest.approx(np.log(9) / np.log(4), rel=1e-3), "")  # to 0.8


def test_training_begins_with_the_probe_at_no_temperature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedtool.classification.cross_validation.FEWEST", 1)
    monkeypatch.setattr("embedtool.classification.cross_validation.MISTAKES", 0)
    found = surveyed(album(tmp_path / "photos", one=6, two=6))
    start = fit_probe(found, FinetuneSettings())
    kernel, bias = start.head["logits/kernel"], start.head["logits/bias"]
    scale = np.linalg.norm(start.probe.weights) / np.linalg.norm(kernel)
    assert not np.isclose(scale, 1, rtol=0.1)
    assert np.allclose(start.probe.weights, kernel.T * scale, atol=1e-6)
    assert np.allclose(start.probe.bias, bias * scale, atol=1e-6)


def test_settings_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"rate": 1, "rotation": 30.0, "unfreeze": "all"}))
    settings = FinetuneSettings().with_changes(read_settings(file))
    assert (settings.rate, settings.augmentation.rotation, settings.unfreeze) == (1, 30.0, "all")
    assert FinetuneSettings().with_changes(settings.record()) == settings
    for content, words in (
        ('{"rates": 1}', "unknown setting 'rates'"),
        ('{"rate": "fast"}', "rate of type float"),
        ("[1]", "JSON object"),
        ("{", "JSON file"),
        ('{"zoom": 5}', "zoom from 0 to 0.7"),
        ('{"validation_share": 0.6}', "validation_share up to 0.5"),
    ):
        file.write_text(content)
        with pytest.raises(UsageError, match=words):
            read_settings(file)
