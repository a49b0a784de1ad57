"""`tune_model`: search for the best settings. Each trial is evaluated on held-out photos.

OUT/study.sqlite    every trial, saved as it runs, so that a killed search can resume
OUT/best.json       the best settings so far, in the form of `finetune --config`
"""

import json
import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from embedtool.core.atomic_files import write_json
from embedtool.core.extras import require
from embedtool.core.lock import LOCK, acquire_lock
from embedtool.core.types import PathLike, Progress
from embedtool.errors import UsageError
from embedtool.finetune.checkpoint import Epoch
from embedtool.finetune.dataset import Dataset, read_dataset
from embedtool.finetune.examples import CACHE_BYTES, load_examples
from embedtool.finetune.frozen_part import FrozenPart
from embedtool.finetune.initial_head import fit_probe
from embedtool.finetune.search_space import starting_point, suggest_changes
from embedtool.finetune.settings import FIELD_OF_KEY, FinetuneSettings
from embedtool.finetune.study_file import STUDY, open_study
from embedtool.finetune.trained_part import Head, TrainedPart
from embedtool.finetune.training import train
from embedtool.finetune.tune_report import TuneReport, TuneTrial
from embedtool.models import Backbone, load_backbone

require("optuna")
BEST = "best.json"
TRIALS = 20
WARM_UP = 3  # trials that finish before any trial is pruned
MIN_EPOCHS = 2  # before a trial is pruned: some heads start random, others as a probe
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class _TrialInputs:
    """The inputs that all trials share."""

    base: Backbone
    dataset: Dataset
    settings: FinetuneSettings
    head: Head
    cache_bytes: int


def tune_model(
    photos: PathLike | Sequence[PathLike],
    *,
    out: PathLike,
    model: str = "auto",
    labels: PathLike | None = None,
    validation: PathLike | Sequence[PathLike] | None = None,
    trials: int = TRIALS,
    settings: FinetuneSettings | None = None,
    cache_bytes: int = CACHE_BYTES,
    progress: Progress | None = None,
) -> TuneReport:
    """Search learning rate, depth, dropout, head, regularisation, augmentation, optimiser and batch
    size for the highest accuracy on validation photos.

    photos, labels, validation: as in `finetune_model`; leave the final test photos out of both.
    out: the folder of the study. An earlier study in it resumes until it has `trials` finished
    trials. settings: the start of the search, and the values that it does not vary. The first trial
    has exactly these settings, so the best is at least as good.
    Raises UsageError if nothing is held out, or if the study has other photos or settings;
    IndexLocked if another search is running in the folder. Needs optuna.

    >>> count = embedtool.draw_photos("few", per_kind=4, jpeg_only=True)
    >>> settings = embedtool.FinetuneSettings(unfreeze="none", epochs=1, copies=0)
    >>> report = embedtool.tune_model(
    ...     "few", out="study", model="builtin", settings=settings, trials=1
    ... )
    >>> len(report.trials), report.config.name
    (1, 'best.json')
    """
    begun = time.perf_counter()
    settings = settings or FinetuneSettings()
    if settings.from_scratch or settings.patience:
        raise UsageError("a search does not support from_scratch and patience: leave them out")
    if not (settings.epochs and settings.learning_rate and settings.weight_decay):
        raise UsageError(
            "expected epochs, learning_rate and weight_decay above 0 for a search, received 0 for "
            "at least one of them"
        )
    folder = Path(out)
    foreign = sorted({file.name for file in folder.glob("*")} - {LOCK})
    if foreign and STUDY not in foreign:
        raise UsageError(
            f"expected a new or empty folder, or that of an earlier search, but {out} contains "
            f"{foreign[0]}: choose another --out"
        )
    base = load_backbone(model)
    FrozenPart(base, settings.unfreeze)  # raises early if the network cannot be cut
    dataset = read_dataset(
        photos,
        backbone=base,
        labels=labels,
        validation=validation,
        test=None,
        share=settings.validation_share,
        seed=settings.seed,
        progress=progress,
    )
    if not dataset.validation.photos:
        raise UsageError(
            "a search needs validation photos, and none are held out: name some with --validation"
        )
    inputs = _TrialInputs(base, dataset, settings, fit_probe(dataset, settings).head, cache_bytes)
    folder.mkdir(parents=True, exist_ok=True)
    lock = acquire_lock(folder)
    try:
        study = _open(folder, inputs)
        while (done := len(study.get_trials(deepcopy=False, states=FINISHED))) < trials:
            if progress:
                progress(done, trials, stage="searching")
            _try_one(study, inputs)
            _write_best(study, folder)
        return _report(study, folder, inputs, time.perf_counter() - begun)
    finally:
        os.close(lock)


def _try_one(study: optuna.Study, inputs: _TrialInputs) -> None:
    """Run one trial. If anything but TrialPruned is raised, the trial stays unfinished and is run
    again later."""
    trial = study.ask()
    try:
        accuracy = _accuracy(trial, inputs)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, accuracy)


def _open(folder: Path, inputs: _TrialInputs) -> optuna.Study:
    """Open the study. Unfinished trials are marked as failed and queued again."""
    study = open_study(folder)
    of = _identity(inputs)
    if study.user_attrs.get("of", of) != of:
        raise UsageError(
            f"{folder} has a search with other photos, another network or other settings: choose "
            "another --out"
        )
    study.set_user_attr("of", of)
    known = study.get_trials(deepcopy=False)
    if not known:
        study.enqueue_trial(starting_point(inputs.settings))
    for trial in known:
        if trial.state == TrialState.RUNNING:
            study.enqueue_trial(trial.params)
            study.tell(trial.number, state=TrialState.FAIL)
    # A resumed sampler must not draw the same parameters again.
    study.sampler = optuna.samplers.TPESampler(seed=inputs.settings.seed + len(known))
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=WARM_UP, n_warmup_steps=MIN_EPOCHS)
    return study


def _identity(inputs: _TrialInputs) -> str:
    """Return the identity of a search. A study resumes only with the same identity."""
    return json.dumps(
        [inputs.base.fingerprint, inputs.settings.file_record(), inputs.dataset.contents()]
    )


def _accuracy(trial: optuna.Trial, inputs: _TrialInputs) -> float:
    """Return the validation accuracy after the last epoch of one trial."""
    settings = inputs.settings.with_changes(suggest_changes(trial, inputs.settings))
    frozen_part = FrozenPart(inputs.base, settings.unfreeze)
    examples = load_examples(inputs.dataset, frozen_part, settings, cache_bytes=inputs.cache_bytes)
    trial.set_user_attr("settings", replace(settings, copies=examples.copies).record())
    trial.set_user_attr("notes", examples.notes)
    classes = len(inputs.dataset.classes)
    trained_part = TrainedPart(inputs.base.folder, frozen_part.shape, classes, settings)
    trained_part.start_head(inputs.head)

    def report_epoch(epoch: Epoch) -> None:
        trial.report(epoch.validation_accuracy or 0.0, epoch.epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    history = train(
        trained_part,
        settings,
        examples.training,
        examples.validation,
        classes=classes,
        after_epoch=report_epoch,
    )
    trial.set_user_attr("validation_loss", history[-1].validation_loss)
    return history[-1].validation_accuracy or 0.0


def _write_best(study: optuna.Study, folder: Path) -> None:
    if study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]):
        write_json(folder / BEST, study.best_trial.user_attrs["settings"])


def _report(study: optuna.Study, folder: Path, inputs: _TrialInputs, seconds: float) -> TuneReport:
    trials = [t for t in study.get_trials(deepcopy=False) if t.state in FINISHED]
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    notes = [inputs.base.note, *inputs.dataset.notes]
    notes += [note for trial in trials for note in trial.user_attrs["notes"]]
    importance: dict[str, float] = {}
    if len(complete) > WARM_UP and len({t.value for t in complete}) > 1:
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        with warnings.catch_warnings():  # about parameters of few trials, as the page shows
            warnings.simplefilter("ignore", UserWarning)
            importance = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return TuneReport(
        study=folder,
        config=folder / BEST,
        model=inputs.base.spec,
        trained_on=len(inputs.dataset.training.photos),
        validated_on=len(inputs.dataset.validation.photos),
        trials=tuple(map(_trial, trials)),
        best=study.best_trial.number,
        importance={FIELD_OF_KEY.get(name, name): share for name, share in importance.items()},
        seed=inputs.settings.seed,
        seconds=seconds,
        rejects=inputs.dataset.rejects,
        notes=tuple(dict.fromkeys(filter(None, notes))),
    )


def _trial(trial: FrozenTrial) -> TuneTrial:
    reached = list(trial.intermediate_values.values())
    return TuneTrial(
        number=trial.number,
        finished=trial.state == TrialState.COMPLETE,
        accuracy=trial.value if trial.value is not None else reached[-1],
        epochs=len(reached),
        seconds=trial.duration.total_seconds() if trial.duration else 0.0,
        chosen={FIELD_OF_KEY.get(name, name): value for name, value in trial.params.items()},
    )
