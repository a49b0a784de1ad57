"""Measure the gain of caching the frozen layers: compare an epoch of embedtool with model.fit."""

import math
import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from embedtool.classification.splits import assign_folds
from embedtool.core.paths import full_path
from embedtool.core.threads import cpu_count
from embedtool.core.types import PathLike, Progress, unit_rows
from embedtool.errors import UsageError
from embedtool.finetune.activation_cache import ActivationStore
from embedtool.finetune.checkpoint import Epoch
from embedtool.finetune.dataset import Dataset, PhotoSet, read_dataset
from embedtool.finetune.examples import load_examples
from embedtool.finetune.features import Photo, fill_store
from embedtool.finetune.frozen_part import ALL, NONE, FrozenPart
from embedtool.finetune.initial_head import fit_probe
from embedtool.finetune.settings import FinetuneSettings
from embedtool.finetune.trained_part import TrainedPart
from embedtool.finetune.training import predict, train
from embedtool.images.decode import decode_image
from embedtool.images.drawn import draw_photos
from embedtool.images.read_file import read_source
from embedtool.models import Backbone, load_backbone
from embedtool.models.keras_runtime import keras, mobilenet
from embedtool.models.model_folder import FINAL_LAYER, ModelFolder

IMAGES = 256
ROUNDS = 3
COPIES = 1  # augmented copies: both methods see each image twice per round
HELD_OUT_SHARE = 0.25  # of the photos, for evaluation
KERAS_READS = (".jpg", ".jpeg", ".png", ".bmp", ".gif")
COMPARED = 32  # images for the comparison of both parts with the whole network


@dataclass(frozen=True)
class FinetuneBenchReport:
    """Seconds per 1,000 images, each seen once, as medians over the rounds, and the accuracies.

    parity: the largest 1 - cosine between the vectors of the frozen and trained parts, with float16
    rows between them, and those of the whole network in Keras. The accuracies are on the held-out
    images, after both methods have seen the training images equally often.
    """

    images: int
    held_out: int
    cores: int
    model: str
    unfreeze: str
    rounds: int
    computed_once: float  # seconds per 1,000 rows of the frozen part, with decoding
    epoch: float
    keras_epoch: float
    ratio: float  # epoch / keras_epoch, computed in each round
    parity: float
    accuracy: float
    keras_accuracy: float


def run_finetune_bench(
    photos: PathLike | None = None,
    *,
    model: str = "auto",
    unfreeze: str = "block_13",
    images: int = IMAGES,
    rounds: int = ROUNDS,
    seed: int = 0,
    progress: Progress | None = None,
) -> FinetuneBenchReport:
    """Train the same layers of the same network on the same images by both methods, in turn.

    photos: one folder per class; by default, the demo pictures. Of more than `images`, a seeded
    sample is used. The other method is the usual Keras code: image_dataset_from_directory,
    augmentation layers, the network with its lower layers frozen, and model.fit. XLA, the default
    of Keras, is turned off there, since on a CPU it is several times slower.
    """
    if unfreeze in (ALL, NONE):
        raise UsageError(
            f"expected a block to train, such as block_13, received --unfreeze {unfreeze}"
        )
    settings = FinetuneSettings(
        unfreeze=unfreeze,
        epochs=rounds + 1,  # the first is a warm-up and does not count
        head_epochs=0,
        copies=COPIES,
        seed=seed,
    )
    with tempfile.TemporaryDirectory(prefix="embedtool-bench-") as scratch:
        folder = Path(photos) if photos is not None else Path(scratch) / "photos"
        if photos is None:
            draw_photos(folder, jpeg_only=True)
        base = load_backbone(model)
        frozen_part = FrozenPart(base, unfreeze)
        dataset = read_dataset(
            folder,
            backbone=base,
            labels=None,
            validation=None,
            test=None,
            share=HELD_OUT_SHARE,
            seed=seed,
            progress=progress,
        )
        dataset = _chosen(dataset, images, seed)
        examples = load_examples(dataset, frozen_part, settings, progress=progress)
        training_photos = dataset.training.photos
        with ActivationStore(Path(scratch) / "rows", frozen_part.shape, frozen_part.dtype) as store:
            begun = time.perf_counter()  # in a new store, since the cache may have them
            fill_store(
                store,
                training_photos,
                frozen_part,
                augmentation=settings.augmentation,
                copies=[1],
                progress=progress,
                stage="computing rows once",
            )
            once = (time.perf_counter() - begun) / len(training_photos) * 1000
        trained_part = TrainedPart(base.folder, frozen_part.shape, len(dataset.classes), settings)
        parity = _parity(trained_part, frozen_part, base, dataset)
        trained_part.start_head(fit_probe(dataset, settings).head)
        idiom = KerasFit(base.folder, dataset, settings, Path(scratch))
        theirs: list[float] = []

        def in_turn(_: Epoch) -> None:
            theirs.append(idiom.epoch(COPIES + 1))

        history = train(
            trained_part,
            settings,
            examples.training,
            None,
            classes=len(dataset.classes),
            after_epoch=in_turn,
            progress=progress,
        )
        views = len(examples.training.labels) / 1000
        ours = [epoch.seconds / views for epoch in history[1:]]
        theirs = [seconds / views for seconds in theirs[1:]]
        right = np.zeros(1)
        if held_out := examples.validation:
            right = predict(trained_part, held_out).argmax(1) == held_out.labels
        return FinetuneBenchReport(
            images=len(training_photos),
            held_out=len(dataset.validation.photos),
            cores=cpu_count(),
            model=base.spec,
            unfreeze=unfreeze,
            rounds=rounds,
            computed_once=once,
            epoch=median(ours),
            keras_epoch=median(theirs),
            ratio=median(own / other for own, other in zip(ours, theirs, strict=True)),
            parity=parity,
            accuracy=float(right.mean()),
            keras_accuracy=idiom.accuracy(),
        )


def _chosen(dataset: Dataset, images: int, seed: int) -> Dataset:
    """Return the dataset with a stratified sample of about `images` training photos, and only
    photos in formats that Keras reads."""
    training, groups = dataset.training, dataset.groups
    usable = np.array([_suffix(photo) in KERAS_READS for photo in training.photos])
    training, groups = training.subset(usable), groups[usable]
    if len(training.photos) > images:
        folds = max(2, len(training.photos) // images)
        chosen = assign_folds(training.labels, groups, folds, seed=seed) == 0
        training, groups = training.subset(chosen), groups[chosen]
    usable = np.array([_suffix(photo) in KERAS_READS for photo in dataset.validation.photos], bool)
    validation = dataset.validation.subset(usable)
    return replace(dataset, training=training, groups=groups, validation=validation)


def _suffix(photo: Photo) -> str:
    return os.path.splitext(os.fsdecode(photo.source.path))[1].lower()


def _parity(
    trained_part: TrainedPart, frozen_part: FrozenPart, base: Backbone, dataset: Dataset
) -> float:
    """Return the largest 1 - cosine between the vectors of both parts and of the whole network in
    Keras."""
    photos = dataset.training.photos[:COMPARED]
    pixels = np.stack([decode_image(read_source(p.source)[1], frozen_part.size) for p in photos])
    halves = np.asarray(trained_part.vectors(frozen_part.forward(pixels).astype(np.float32)))
    whole = mobilenet.embedding_model(base.folder, FINAL_LAYER)(pixels)
    return float(1 - (halves * unit_rows(np.asarray(whole))).sum(1).min())


class KerasFit:
    """Training by the usual Keras code."""

    def __init__(
        self, model: ModelFolder, dataset: Dataset, settings: FinetuneSettings, scratch: Path
    ) -> None:
        size, classes = model.size, len(dataset.classes)
        self._training = _keras_dataset(dataset.training, scratch / "training", size, classes)
        self._held_out = _keras_dataset(dataset.validation, scratch / "held", size, classes)
        layers, by = keras.layers, settings.augmentation
        whole = mobilenet.load(model)
        names = [layer.name for layer in whole.layers]
        cut = names.index(model.cuts()[settings.unfreeze])
        for number, layer in enumerate(whole.layers):
            norm = isinstance(layer, layers.BatchNormalization)
            layer.trainable = number > cut and not norm  # frozen, it stays in inference mode
        self._model = keras.Sequential(
            [
                keras.Input((size, size, 3)),
                layers.RandomFlip("horizontal"),
                layers.RandomRotation(by.rotation / 360, fill_mode="nearest"),
                layers.RandomTranslation(by.height_shift, by.width_shift, fill_mode="nearest"),
                layers.RandomZoom(by.zoom, fill_mode="nearest"),
                layers.RandomBrightness(by.colour),
                layers.RandomContrast(by.colour),
                layers.Rescaling(1 / 127.5, -1),
                whole,
                layers.GlobalAveragePooling2D(),
                layers.Dropout(settings.dropout),
                layers.Dense(classes),
            ]
        )
        steps = math.ceil(len(dataset.training.photos) / settings.batch_size)
        rate = keras.optimizers.schedules.CosineDecay(
            settings.learning_rate, steps * settings.epochs * (COPIES + 1)
        )
        self._model.compile(
            keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay),
            keras.losses.CategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=False,
        )

    def epoch(self, times: int) -> float:
        """Return the seconds of this many passes over the images."""
        start = time.perf_counter()
        self._model.fit(self._training, epochs=times, shuffle=False, verbose=0)
        return time.perf_counter() - start

    def accuracy(self) -> float:
        return float(self._model.evaluate(self._held_out, verbose=0)[1])


def _keras_dataset(photos: PhotoSet, folder: Path, size: int, classes: int) -> Any:
    for number in range(classes):
        (folder / f"{number:05}").mkdir(parents=True)
    for number, photo in enumerate(photos.photos):
        name = folder / f"{photo.label:05}" / f"{number}{_suffix(photo)}"
        name.symlink_to(full_path(photo.source.root, photo.source.path))
    return keras.utils.image_dataset_from_directory(
        folder, label_mode="categorical", image_size=(size, size), batch_size=32, verbose=False
    )
