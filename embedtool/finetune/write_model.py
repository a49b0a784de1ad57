"""A trained network as a model folder that `index --model` takes.

model.json, weights.safetensors, float32.tflite     as of any model folder
labels.json, report.json                            the classes in order; how it was made
probe/                                              the head: a probe of the network's vectors
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from embedtool.classification.logistic_regression import Solution
from embedtool.classification.probe import Hidden, Probe, write_probe
from embedtool.finetune.dataset import Dataset
from embedtool.finetune.settings import FinetuneSettings
from embedtool.finetune.trained_part import Head, TrainedPart
from embedtool.models import Backbone, load_backbone
from embedtool.models.model_folder import FINAL_LAYER, weights_digest, write_folder

COMPILED = "float32.tflite"
PROBE, LABELS, REPORT = "probe", "labels.json", "report.json"


def write_model(
    draft: Path,
    top: TrainedPart,
    base: Backbone,
    settings: FinetuneSettings,
    *,
    name: str,
) -> Backbone:
    """Write the network into an empty folder, compiled and checked against Keras."""
    tensors = top.tensors()
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
            "settings": settings.record(),
        },
    )
    write_folder(model, tensors)
    content = load_backbone(str(draft)).compiled().read_bytes()
    (draft / COMPILED).write_bytes(content)
    write_folder(replace(model, compiled={COMPILED: hashlib.sha256(content).hexdigest()}))
    return load_backbone(str(draft))


def write_head(
    draft: Path,
    head: Head,
    album: Dataset,
    settings: FinetuneSettings,
    *,
    model: str,
    fingerprint: str,
    strength: float,
    temperature: float,
) -> Probe:
    """Write the classes and the classifier of the network's vectors. strength: C of the probe that
    it began as. temperature: what the logits of the head are to be divided by."""
    write_json(draft / LABELS, {"classes": list(album.classes)})
    trained = b"".join(photo.digest for photo in album.training.photos)
    weights = {name: np.ascontiguousarray(tensor.T) for name, tensor in head.items()}
    hidden = None
    if "hidden/kernel" in weights:
        activation = settings.head_activation
        hidden = Hidden(weights["hidden/kernel"], weights["hidden/bias"], activation)
    probe = Probe(
        classes=album.classes,
        model=model,
        fingerprint=fingerprint,
        strength=strength,
        temperature=temperature,
        balanced=settings.class_weights == "balanced",
        seed=settings.seed,
        report={},
        solution=Solution(weights["logits/kernel"], weights["logits/bias"]).at(temperature),
        trained=np.frombuffer(trained, np.uint8).reshape(-1, hashlib.sha256().digest_size),
        hidden=hidden,
    )
    write_probe(probe, draft / PROBE)
    return probe


def write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
