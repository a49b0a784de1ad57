"""Training above the cut: the two parts of a network, its head, patience, batch norm."""

from pathlib import Path

import numpy as np
import pytest
from support.finetuning import dataset_of, save_photos
from support.pictures import picture

from embedtool import FinetuneSettings
from embedtool.finetune.examples import load_examples
from embedtool.finetune.frozen_part import FrozenPart
from embedtool.finetune.initial_head import fit_probe
from embedtool.finetune.trained_part import TrainedPart
from embedtool.finetune.training import train
from embedtool.models import load_backbone
from embedtool.models.embedder import NetworkEmbedder
from embedtool.models.keras_runtime import keras

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("unfreeze", ["block_15", "none"])
def test_the_two_parts_make_the_whole(unfreeze: str) -> None:
    """LiteRT below the cut, rounded to float16, and Keras above it, against Keras alone."""
    backbone = load_backbone("builtin", precision="float32")
    frozen_part = FrozenPart(backbone, unfreeze)
    trained_part = TrainedPart(
        backbone.folder, frozen_part.shape, 3, FinetuneSettings(unfreeze=unfreeze)
    )
    pixels = np.stack([np.asarray(picture(seed, (96, 96))) for seed in range(6)])
    vectors = np.asarray(trained_part.vectors(frozen_part.forward(pixels).astype(np.float32)))
    whole = NetworkEmbedder(backbone, runtime="tensorflow").embed(pixels)
    assert (1 - (vectors * whole).sum(1)).max() < 1e-4


def test_training_begins_with_the_probe_at_no_temperature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedtool.classification.temperature.MIN_IMAGES", 1)
    monkeypatch.setattr("embedtool.classification.temperature.MIN_MISTAKES", 0)
    found = dataset_of(save_photos(tmp_path / "photos", one=6, two=6))
    initial = fit_probe(found, FinetuneSettings())
    kernel, bias = initial.head["logits/kernel"], initial.head["logits/bias"]
    scale = np.linalg.norm(initial.probe.weights) / np.linalg.norm(kernel)
    assert not np.isclose(scale, 1, rtol=0.1)
    assert np.allclose(initial.probe.weights, kernel.T * scale, atol=1e-6)
    assert np.allclose(initial.probe.bias, bias * scale, atol=1e-6)


def test_patience_counts_the_epochs_of_phase_two(tmp_path: Path) -> None:
    """At a rate of nothing no epoch is better than the first: phase two begins all the same."""
    settings = FinetuneSettings(
        unfreeze="none",
        head_epochs=3,
        epochs=3,
        copies=0,
        patience=1,
        learning_rate=0.0,
        head_learning_rate=0.0,
        schedule="constant",
    )
    found = dataset_of(save_photos(tmp_path / "photos", one=6, two=6), share=0.25)
    backbone = load_backbone("builtin")
    frozen_part = FrozenPart(backbone, "none")
    examples = load_examples(found, frozen_part, settings)
    trained_part = TrainedPart(backbone.folder, frozen_part.shape, 2, settings)
    history = train(
        trained_part,
        settings,
        examples.training,
        examples.validation,
        classes=2,
        checkpoints=tmp_path,
        run="one",
    )
    assert [epoch.phase for epoch in history] == ["head"] * 3 + ["layers"] * 2


def test_from_scratch_batch_norm_has_the_averages_of_the_training_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one batch its own averages are those of all: both modes of the network then agree."""
    eager = property(lambda _: True, lambda *_: None)  # a step costs less than compiling it
    monkeypatch.setattr(keras.Model, "run_eagerly", eager)
    settings = FinetuneSettings(
        unfreeze="all", from_scratch=True, head_epochs=0, epochs=1, copies=0, dropout=0.0
    )
    found = dataset_of(save_photos(tmp_path / "photos", one=6, two=6))
    backbone = load_backbone("builtin")
    frozen_part = FrozenPart(backbone, "all")
    examples = load_examples(found, frozen_part, settings)
    trained_part = TrainedPart(backbone.folder, frozen_part.shape, 2, settings)
    train(trained_part, settings, examples.training, None, classes=2)
    pixels = examples.training.rows(np.arange(12))
    learned, used = (
        np.asarray(trained_part.model(pixels, training=mode)) for mode in (True, False)
    )
    assert np.abs(learned - used).max() < 1e-3 < np.ptp(used)
