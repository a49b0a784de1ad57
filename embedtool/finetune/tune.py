"""`tune_model`: a search over settings, every trial judged on photos that it has not learned from.

OUT/study.sqlite    every trial, on disk as it goes: a killed search goes on
OUT/best.json       the best settings so far, as `finetune --config` takes them
"""

import json
import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from embedtool.core.atomic_files import atomic_write
from embedtool.core.extras import require
from embedtool.core.lock import LOCK, acquire_lock
from embedtool.core.types import PathLike, Progress
from embedtool.errors import UsageError
from embedtool.finetune.checkpoint import Epoch
from embedtool.finetune.dataset import Dataset, survey
from embedtool.finetune.examples import CACHE_BYTES, load_examples
from embedtool.finetune.frozen_part import FrozenPart
from embedtool.finetune.initial_head import fit_probe
from embedtool.finetune.search_space import starting_point, suggested
from embedtool.finetune.settings import FinetuneSettings
from embedtool.finetune.trained_part import Head, TrainedPart
from embedtool.finetune.training import train
from embedtool.finetune.tune_report import TuneReport, TuneTrial
from embedtool.models import Backbone, load_backbone

require("optuna", extra="tune")
STUDY, BEST = "study.sqlite", "best.json"
TRIALS = 20
WARM_UP = 3  # trials that run to their end before any is cut short
CERTAIN = 2  # an epoch before this one ends no trial: some heads begin at random, some as a probe
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class _Bench:
    """What all trials share."""

    base: Backbone
    album: Dataset
    settings: FinetuneSettings
    probe: Head
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

    photos, labels, validation: as `finetune_model` takes them; keep the photos that will judge the
    result out of both. out: the folder of the study; one that is there goes on until it has so many
    finished trials. settings: where the search starts, and what it leaves as it is. The first trial
    is these settings themselves, so the best is at least as good.
    Raises UsageError where nothing is held out, or the study is of other photos or settings;
    IndexLocked where another search is at work in the folder.
    """
    begun = time.perf_counter()
    settings = settings or FinetuneSettings()
    if settings.from_scratch or settings.patience:
        raise UsageError("a search neither trains from scratch nor has patience: leave them out")
    if not (settings.epochs and settings.rate and settings.weight_decay):
        raise UsageError("a search begins with epochs, a rate and a weight decay above 0")
    folder = Path(out)
    foreign = sorted({file.name for file in folder.glob("*")} - {LOCK})
    if foreign and STUDY not in foreign:
        raise UsageError(
            f"expected a new or empty folder, or one of an earlier search; {out} holds "
            f"{foreign[0]}: choose another --out"
        )
    base = load_backbone(model)
    FrozenPart(base, settings.unfreeze)  # refuses what cannot be cut, before the photos are read
    album = survey(
        photos,
        backbone=base,
        labels=labels,
        validation=validation,
        test=None,
        share=settings.validation_share,
        seed=settings.seed,
        progress=progress,
    )
    if not album.validation.photos:
        raise UsageError("a search needs photos to validate on: name some with --validation")
    bench = _Bench(base, album, settings, fit_probe(album, settings).head, cache_bytes)
    folder.mkdir(parents=True, exist_ok=True)
    lock = acquire_lock(folder)
    try:
        study = _open(folder, bench)
        while (done := len(study.get_trials(deepcopy=False, states=FINISHED))) < trials:
            if progress:
                progress(done, trials, 0, "searching")
            _try_one(study, bench)
            _write_best(study, folder)
        return _report(study, folder, bench, time.perf_counter() - begun)
    finally:
        os.close(lock)


def _try_one(study: optuna.Study, bench: _Bench) -> None:
    """One more trial. It is left unfinished, to be tried again, where anything else is raised than
    that it fell behind."""
    trial = study.ask()
    try:
        accuracy = _accuracy(trial, bench)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, accuracy)


def _open(folder: Path, bench: _Bench) -> optuna.Study:
    """The study, with the trials that were left unfinished given up and tried again."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = f"sqlite:///{(folder / STUDY).absolute()}"
    study = optuna.create_study(
        storage=storage, study_name="finetune", direction="maximize", load_if_exists=True
    )
    of = _described(bench)
    if study.user_attrs.get("of", of) != of:
        raise UsageError(
            f"{folder} holds a search over other photos, another network or other settings: name "
            "another --out"
        )
    study.set_user_attr("of", of)
    known = study.get_trials(deepcopy=False)
    if not known:
        study.enqueue_trial(starting_point(bench.settings))
    for trial in known:
        if trial.state == TrialState.RUNNING:
            study.enqueue_trial(trial.params)
            study.tell(trial.number, state=TrialState.FAIL)
    # A sampler that goes on must not draw again what it drew first.
    study.sampler = optuna.samplers.TPESampler(seed=bench.settings.seed + len(known))
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=WARM_UP, n_warmup_steps=CERTAIN)
    return study


def _described(bench: _Bench) -> str:
    about = [bench.base.fingerprint, bench.settings.record(), bench.album.contents()]
    return json.dumps(about)


def _accuracy(trial: optuna.Trial, bench: _Bench) -> float:
    """The validation accuracy after the last epoch of one trial."""
    settings = bench.settings.with_changes(suggested(trial, bench.settings))
    bottom = FrozenPart(bench.base, settings.unfreeze)
    rows = load_examples(bench.album, bottom, settings, cache_bytes=bench.cache_bytes)
    trial.set_user_attr("settings", replace(settings, copies=rows.copies).record())
    trial.set_user_attr("notes", rows.notes)
    top = TrainedPart(bench.base.folder, bottom.shape, len(bench.album.classes), settings)
    top.start_head(bench.probe)

    def tell(epoch: Epoch) -> None:
        trial.report(epoch.validation_accuracy or 0.0, epoch.epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    history = train(
        top,
        settings,
        rows.training,
        rows.validation,
        classes=len(bench.album.classes),
        after_epoch=tell,
    )
    trial.set_user_attr("validation_loss", history[-1].validation_loss)
    return history[-1].validation_accuracy or 0.0


def _write_best(study: optuna.Study, folder: Path) -> None:
    if study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]):
        with atomic_write(folder / BEST) as file:
            file.write(
                (json.dumps(study.best_trial.user_attrs["settings"], indent=1) + "\n").encode()
            )


def _report(study: optuna.Study, folder: Path, bench: _Bench, seconds: float) -> TuneReport:
    trials = [t for t in study.get_trials(deepcopy=False) if t.state in FINISHED]
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    notes = [bench.base.note, *bench.album.notes]
    notes += [note for trial in trials for note in trial.user_attrs["notes"]]
    importance: dict[str, float] = {}
    if len(complete) > WARM_UP and len({t.value for t in complete}) > 1:
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        with warnings.catch_warnings():  # of what few trials had a choice of, as the page shows
            warnings.simplefilter("ignore", UserWarning)
            importance = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return TuneReport(
        study=folder,
        config=folder / BEST,
        model=bench.base.spec,
        trained_on=len(bench.album.training.photos),
        validated_on=len(bench.album.validation.photos),
        trials=tuple(map(_trial, trials)),
        best=study.best_trial.number,
        importance=importance,
        seed=bench.settings.seed,
        seconds=seconds,
        rejects=bench.album.rejects,
        notes=tuple(dict.fromkeys(filter(None, notes))),
    )


def _trial(trial: FrozenTrial) -> TuneTrial:
    reached = list(trial.intermediate_values.values())
    changes: dict[str, Any] = trial.params
    return TuneTrial(
        number=trial.number,
        finished=trial.state == TrialState.COMPLETE,
        accuracy=trial.value if trial.value is not None else reached[-1],
        epochs=len(reached),
        seconds=trial.duration.total_seconds() if trial.duration else 0.0,
        chosen=changes,
    )
