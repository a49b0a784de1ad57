"""The training loop, with two phases. It saves a checkpoint after every epoch, and a run that was
killed and resumed ends with the same weights."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.core.softmax import softmax
from embedtool.core.types import Progress
from embedtool.finetune.checkpoint import BEST, LAST, Checkpoint, Epoch
from embedtool.finetune.features import Examples
from embedtool.finetune.settings import FinetuneSettings
from embedtool.finetune.tensorboard import write_epoch
from embedtool.finetune.trained_part import TrainedPart
from embedtool.finetune.weight_averaging import Average
from embedtool.models.keras_runtime import keras, tf

HEAD, LAYERS = "head", "layers"  # the phases
PREDICT_BATCH = 64  # rows per batch in prediction
PREFETCH = 2  # batches that are read ahead
OPTIMISERS = {
    "adamw": keras.optimizers.AdamW,
    "sgd": lambda *a, **k: keras.optimizers.SGD(*a, momentum=0.9, nesterov=True, **k),
    "rmsprop": keras.optimizers.RMSprop,
}
NOT_DECAYED = ["bias", "gamma", "beta"]


def train(
    trained_part: TrainedPart,
    settings: FinetuneSettings,
    examples: Examples,
    validation: Examples | None,
    *,
    classes: int,
    checkpoints: Path | None = None,
    run: str = "",
    tensorboard: Path | None = None,
    after_epoch: Callable[[Epoch], None] | None = None,
    progress: Progress | None = None,
) -> list[Epoch]:
    """Train the head, then the layers above the cut, in place. Return every epoch in order.

    checkpoints: the folder of the checkpoint. Training resumes if the checkpoint has the same
    `run`. after_epoch: may raise to end the training. Patience needs validation and a folder.
    """
    state = Checkpoint.read(checkpoints / LAST, run) if checkpoints else None
    history = list(state.history) if state else []
    weights = _class_weights(examples.labels, classes, settings.class_weights)
    data = _Data(examples, np.eye(classes, dtype=np.float32), weights, settings)
    total = settings.head_epochs + settings.epochs
    phases = [(HEAD, 0, settings.head_epochs), (LAYERS, settings.head_epochs, total)]
    phases = [(phase, first, last) for phase, first, last in phases if last > first]
    for phase, first, last in phases:
        if len(history) >= last and phase != phases[-1][0]:
            continue
        _compile(trained_part, phase, settings, steps=(last - first) * data.steps)
        resumes = len(history) > first
        if state:
            state.restore(trained_part.model, optimiser=resumes)
        average = _average(trained_part, settings) if phase == LAYERS else None
        if state and average and resumes:
            state.restore_average(average)
        state = None
        for epoch in range(len(history), last):
            if phase == LAYERS and _stopped(history, settings.patience):
                break
            begun = time.perf_counter()
            fitted = trained_part.model.fit(
                data.shuffled(epoch),
                initial_epoch=epoch,
                epochs=epoch + 1,
                verbose=0,
                shuffle=False,  # the data is already shuffled by its own seed
                callbacks=[_Steps(progress, epoch, data.steps, total, phase, average)],
            )
            with average.applied() if average else nullcontext():
                loss, accuracy = _validate(trained_part, validation)
                history.append(
                    Epoch(
                        phase,
                        epoch + 1,
                        float(fitted.history["loss"][0]),
                        float(fitted.history["accuracy"][0]),
                        loss,
                        accuracy,
                        time.perf_counter() - begun,
                    )
                )
                if checkpoints and settings.patience and _best(history) == len(history) - 1:
                    Checkpoint.write(checkpoints / BEST, trained_part.model, history, run)
            if checkpoints:
                Checkpoint.write(checkpoints / LAST, trained_part.model, history, run, average)
            if tensorboard:
                write_epoch(tensorboard, history[-1])
            if after_epoch:
                after_epoch(history[-1])
        if average:
            average.apply()
    if settings.patience and checkpoints and (best := Checkpoint.read(checkpoints / BEST, run)):
        best.restore(trained_part.model, optimiser=False)
    if settings.from_scratch:
        trained_part.measure_norms(rows for rows, _, _ in data.shuffled(total))
    return history


def _compile(
    trained_part: TrainedPart, phase: str, settings: FinetuneSettings, *, steps: int
) -> None:
    trained_part.freeze(phase == HEAD)
    rate: Any = settings.head_learning_rate if phase == HEAD else settings.learning_rate
    if settings.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps)
    optimiser = OPTIMISERS[settings.optimiser](rate, weight_decay=settings.weight_decay)
    optimiser.exclude_from_weight_decay(var_names=NOT_DECAYED)
    trained_part.model.compile(
        optimiser,
        keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=settings.label_smoothing
        ),
        metrics=["accuracy"],
        jit_compile=False,  # XLA is four times slower with depthwise convolutions on a CPU
    )
    trained_part.model.optimizer.build(trained_part.model.trainable_variables)


def _average(trained_part: TrainedPart, settings: FinetuneSettings) -> Average:
    part = 1.0 if settings.from_scratch else settings.interpolation
    return Average(trained_part.trained_variables(), settings.averaging, part)


@dataclass(frozen=True)
class _Data:
    examples: Examples
    targets: npt.NDArray[np.float32]  # (c, c), one row per class
    weights: npt.NDArray[np.float32]  # (c,)
    settings: FinetuneSettings

    @property
    def steps(self) -> int:
        return math.ceil(len(self.examples.labels) / self.settings.batch_size)

    def shuffled(self, epoch: int) -> "tf.data.Dataset":
        """Return batches of (rows, targets, weights), shuffled by the seed and the epoch."""
        size, examples = self.settings.batch_size, self.examples
        order = np.random.RandomState([self.settings.seed, epoch]).permutation(len(examples.labels))

        def draw() -> Iterator[tuple[npt.NDArray[Any], ...]]:
            for first in range(0, len(order), size):
                chosen = order[first : first + size]
                labels = examples.labels[chosen]
                yield examples.rows(chosen), self.targets[labels], self.weights[labels]

        rows, target, weight = next(draw())
        signature = tuple(
            tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in (rows, target, weight)
        )
        batches = tf.data.Dataset.from_generator(draw, output_signature=signature)
        return batches.apply(tf.data.experimental.assert_cardinality(self.steps)).prefetch(PREFETCH)


class _Steps(keras.callbacks.Callback):  # type: ignore[misc]
    """A callback that updates the average and reports progress after every batch."""

    def __init__(
        self,
        progress: Progress | None,
        epoch: int,
        steps: int,
        epochs: int,
        phase: str,
        average: Average | None,
    ) -> None:
        super().__init__()
        self._progress, self._before, self._all = progress, epoch * steps, epochs * steps
        self._stage = f"training {phase}"
        self._average = average

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._average:
            self._average.update()
        if self._progress:
            self._progress(self._before + batch + 1, self._all, stage=self._stage)


def _validate(
    trained_part: TrainedPart, validation: Examples | None
) -> tuple[float | None, float | None]:
    """Return the cross-entropy and the accuracy."""
    if validation is None:
        return None, None
    probabilities = predict(trained_part, validation)
    own = probabilities[np.arange(len(probabilities)), validation.labels]
    right = probabilities.argmax(1) == validation.labels
    return float(-np.log(own.clip(1e-12)).mean()), float(right.mean())


def predict(trained_part: TrainedPart, examples: Examples) -> npt.NDArray[np.float32]:
    """Return the probabilities (n, c)."""
    size = PREDICT_BATCH
    numbers = np.arange(len(examples.labels))
    parts = [numbers[first : first + size] for first in range(0, len(numbers), size)]
    logits = [
        np.asarray(trained_part.model.predict_on_batch(examples.rows(part))) for part in parts
    ]
    return softmax(np.concatenate(logits))


def _class_weights(
    labels: npt.NDArray[np.int64], classes: int, how: str
) -> npt.NDArray[np.float32]:
    """Return the weights of the classes (c,), with a mean of 1 over the examples."""
    if how == "none":
        return np.ones(classes, np.float32)
    counts = np.bincount(labels, minlength=classes)
    present = np.count_nonzero(counts)
    return (len(labels) / (present * counts.clip(1))).astype(np.float32)


def _best(history: list[Epoch]) -> int:
    """Return the number of the first epoch with the highest validation accuracy."""
    return int(np.argmax([epoch.validation_accuracy or 0.0 for epoch in history]))


def _stopped(history: list[Epoch], patience: int) -> bool:
    """Return whether the last `patience` epochs of phase two are no better than an earlier one of
    this phase. Phase one does not count, since the first of phase two may be worse."""
    own = [epoch for epoch in history if epoch.phase == LAYERS]
    return bool(patience and own) and len(own) - 1 - _best(own) >= patience
