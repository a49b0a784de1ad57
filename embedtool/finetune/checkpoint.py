"""Checkpoints, from which a killed training run resumes exactly where its last epoch ended."""

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from embedtool.core.atomic_files import atomic_write
from embedtool.finetune.weight_averaging import Average
from embedtool.models.keras_runtime import keras

LAST, BEST = "checkpoint.safetensors", "best.safetensors"


@dataclass(frozen=True)
class Epoch:
    """One pass over all examples. Validation figures are None if nothing is held out."""

    phase: str
    epoch: int  # from 1, counted over all phases
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


@dataclass(frozen=True)
class Checkpoint:
    """The variables of the model and its optimiser, and the history of epochs."""

    history: tuple[Epoch, ...]
    tensors: Mapping[str, npt.NDArray[Any]]

    @classmethod
    def read(cls, file: Path, run: str) -> "Checkpoint | None":
        """Return None if there is no checkpoint of this run. Warn if the file is damaged."""
        if not file.exists():
            return None
        try:
            with safe_open(file, "numpy") as opened:
                about = opened.metadata() or {}
                tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        except SafetensorError:
            about, tensors = {}, {}
        if about.get("sha256") != _digest(tensors, about.get("run"), about.get("history")):
            warnings.warn(
                f"{file} is damaged: training starts again from the first epoch", stacklevel=2
            )
            return None
        if about["run"] != run:
            return None
        return cls(tuple(Epoch(**epoch) for epoch in json.loads(about["history"])), tensors)

    @staticmethod
    def write(
        file: Path,
        model: keras.Model,
        history: list[Epoch],
        run: str,
        average: Average | None = None,
    ) -> None:
        named = {**_weights(model), **_optimiser(model), **_average(average)}
        tensors = {name: np.asarray(variable.value) for name, variable in named.items()}
        history_json = json.dumps([vars(epoch) for epoch in history])
        about = {"run": run, "history": history_json, "sha256": _digest(tensors, run, history_json)}
        with atomic_write(file) as opened:
            opened.write(save(tensors, metadata=about))

    def restore(self, model: keras.Model, *, optimiser: bool) -> None:
        """Restore the weights, and if `optimiser`, also the state of the optimiser."""
        self._put_back(_weights(model) | (_optimiser(model) if optimiser else {}))

    def restore_average(self, average: Average) -> None:
        self._put_back(_average(average))

    def _put_back(self, named: dict[str, "keras.Variable"]) -> None:
        for name, variable in named.items():
            variable.assign(self.tensors[name])


def _digest(tensors: Mapping[str, npt.NDArray[Any]], *texts: str | None) -> str:
    digest = hashlib.sha256(json.dumps(texts).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()


# Variables are saved by number, since their Keras names count the objects of a process: the second
# optimiser of a run is the first one after it resumes.


def _weights(model: keras.Model) -> dict[str, "keras.Variable"]:
    return {f"model/{number}": v for number, v in enumerate(model.variables)}


def _optimiser(model: keras.Model) -> dict[str, "keras.Variable"]:
    return {f"optimiser/{number}": v for number, v in enumerate(model.optimizer.variables)}


def _average(average: Average | None) -> dict[str, "keras.Variable"]:
    return {f"average/{number}": v for number, v in enumerate(average.variables if average else ())}
