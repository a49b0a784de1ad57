"""Write a trained network as a model folder for `index --model`.

model.json, weights.safetensors, float32.tflite     as in any model folder
training-images.safetensors                         digests of the photos that it was trained on
labels.json, report.json                            the classes in order; the report of the run
probe/                                              the head: a probe of the network's vectors
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from embedtool.classification.logistic_regression import LinearClassifier
from embedtool.classification.probe import PROBE_FOLDER, Hidden, Probe, training_images, write_probe
from embedtool.core.atomic_files import write_json
from embedtool.finetune.dataset import Dataset
from embedtool.finetune.settings import FinetuneSettings
from embedtool.finetune.trained_part import Head, TrainedPart
from embedtool.models import Backbone, load_backbone
from embedtool.models.model_folder import FINAL_LAYER, weights_digest, write_folder
from embedtool.models.training_images import TrainingImages

COMPILED = "float32.tflite"
LABELS, REPORT = "labels.json", "report.json"


def write_model(
    draft: Path,
    trained_part: TrainedPart,
    base: Backbone,
    settings: FinetuneSettings,
    dataset: Dataset,
    *,
    name: str,
) -> Backbone:
    """Write the network into an empty folder. The compiled network is checked against Keras.

    The training and validation photos are recorded, so that no later score uses them."""
    tensors = trained_part.tensors()
    model = replace(
        base.folder,
        path=draft,
        name=name,
        weights=weights_digest(tensors),
        layer=FINAL_LAYER,
        precision="float32",
        compiled={},
        card={
            "finetuned_from": {"model": base.folder.name, "weights": base.folder.weights},
            "settings": settings.file_record(),
        },
    )
    photos = (*dataset.training.photos, *dataset.validation.photos)
    images = TrainingImages.of((photo.digest for photo in photos), bytes.fromhex(model.weights))
    model = write_folder(model, tensors, base.folder.read_training_images() | images)
    content = load_backbone(str(draft)).compiled().read_bytes()
    (draft / COMPILED).write_bytes(content)
    write_folder(replace(model, compiled={COMPILED: hashlib.sha256(content).hexdigest()}))
    return load_backbone(str(draft))


def write_head(
    draft: Path,
    head: Head,
    dataset: Dataset,
    settings: FinetuneSettings,
    *,
    model: str,
    fingerprint: str,
    strength: float,
    temperature: float,
) -> Probe:
    """Write the classes, and the head as a probe of the network's vectors. strength: C of the
    initial probe. temperature: the divisor of the logits of the head."""
    write_json(draft / LABELS, {"classes": list(dataset.classes)})
    weights = {name: np.ascontiguousarray(tensor.T) for name, tensor in head.items()}
    hidden = None
    if "hidden/kernel" in weights:
        activation = settings.head_activation
        hidden = Hidden(weights["hidden/kernel"], weights["hidden/bias"], activation)
    classifier = LinearClassifier(weights["logits/kernel"], weights["logits/bias"])
    probe = Probe(
        classes=dataset.classes,
        model=model,
        fingerprint=fingerprint,
        strength=strength,
        temperature=temperature,
        balanced=settings.class_weights == "balanced",
        seed=settings.seed,
        report={},
        classifier=classifier.with_temperature(temperature),
        training_images=training_images(
            (photo.digest for photo in dataset.training.photos), fingerprint
        ),
        hidden=hidden,
    )
    write_probe(probe, draft / PROBE_FOLDER)
    return probe
