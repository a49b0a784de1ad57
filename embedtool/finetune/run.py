"""`finetune_model`: photos, a network and settings in, a model folder out."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from embedtool.classification.temperature import fit_temperature
from embedtool.core.atomic_files import publish_folder
from embedtool.core.lock import acquire_lock
from embedtool.core.types import PathLike, Progress
from embedtool.errors import UsageError
from embedtool.finetune.augmentation_sheet import write_sheet
from embedtool.finetune.checkpoint import Epoch
from embedtool.finetune.dataset import Dataset, survey
from embedtool.finetune.evaluation import evaluate_on_test
from embedtool.finetune.examples import CACHE_BYTES, Rows, load_examples
from embedtool.finetune.frozen_part import FrozenPart
from embedtool.finetune.initial_head import fit_probe
from embedtool.finetune.report import FinetuneReport
from embedtool.finetune.settings import FinetuneSettings
from embedtool.finetune.trained_part import TrainedPart
from embedtool.finetune.training import predict, train
from embedtool.finetune.write_model import REPORT, write_head, write_json, write_model
from embedtool.models import Backbone, load_backbone

UNCALIBRATED = "no photos were held out to validate on: probabilities are as trained, not fitted"
TEMPERATURE, EPOCH = "temperature", "epoch"  # what photos held out may choose


def finetune_model(
    photos: PathLike | Sequence[PathLike],
    *,
    out: PathLike,
    model: str = "auto",
    labels: PathLike | None = None,
    validation: PathLike | Sequence[PathLike] | None = None,
    test: PathLike | Sequence[PathLike] | None = None,
    settings: FinetuneSettings | None = None,
    sheet: PathLike | None = None,
    tensorboard: PathLike | None = None,
    cache_bytes: int = CACHE_BYTES,
    after_epoch: Callable[[Epoch], None] | None = None,
    progress: Progress | None = None,
) -> FinetuneReport:
    """Train the upper part of a network on labelled photos and write it as a model folder.

    photos: folders with one folder a class, or any with `labels`, a table of path and label.
    validation: photos to choose by, else a share of the training photos, near-identical ones
    together. test: photos to judge by, never learned from. out: what `index --model` takes; it must
    not exist. sheet: also write a PNG of augmented photos. A run that was killed goes on at its
    last epoch, from OUT.training, when the same is asked for again.
    Raises UsageError, PhotosMissing, ModelOffline, ModelUnavailable.
    """
    begun = time.perf_counter()
    settings = settings or FinetuneSettings()
    target = Path(os.path.abspath(out))
    if os.path.lexists(target):
        raise UsageError(f"expected a new folder for the model, {out} exists: choose another --out")
    base = load_backbone(model)
    bottom = FrozenPart(base, settings.unfreeze)
    album = survey(
        photos,
        backbone=base,
        labels=labels,
        validation=validation,
        test=test,
        share=settings.validation_share,
        seed=settings.seed,
        progress=progress,
    )
    if settings.patience and not album.validation.photos:
        raise UsageError("patience needs photos to validate on, none are held out: leave it out")
    top = TrainedPart(base.folder, bottom.shape, len(album.classes), settings)
    if sheet is not None:
        write_sheet(album.training.photos, sheet, settings, size=bottom.size)
    rows = load_examples(album, bottom, settings, cache_bytes=cache_bytes, progress=progress)
    start = fit_probe(album, settings, progress=progress)
    if not settings.from_scratch:
        top.start_head(start.head)
    work = target.with_name(target.name + ".training")
    work.mkdir(parents=True, exist_ok=True)
    lock = acquire_lock(work)
    try:
        history = train(
            top,
            settings,
            rows.training,
            rows.validation,
            classes=len(album.classes),
            work=work,
            run=_run(base, album, rows, settings),
            tensorboard=Path(tensorboard) if tensorboard is not None else None,
            after_epoch=after_epoch,
            progress=progress,
        )
    finally:
        os.close(lock)
    temperature, uncalibrated, chosen = 1.0, UNCALIBRATED, []
    if held := rows.validation:
        temperature, uncalibrated = fit_temperature(predict(top, held), held.labels)
        chosen = [TEMPERATURE] * (not uncalibrated) + [EPOCH] * (settings.patience > 0)
    if album.test.photos:
        chosen = []
    notes = [base.note, *album.notes, *rows.notes, uncalibrated]
    if chosen:
        notes.append(
            f"the photos that judge also chose the {' and the '.join(chosen)}: the score may be "
            "too good; name others with --test"
        )
    with publish_folder(target, existing="refuse") as draft:
        tuned = write_model(draft, top, base, settings, name=target.name)
        head = write_head(
            draft, top.head(), album, settings, model=str(target), fingerprint=tuned.fingerprint,
            strength=start.strength, temperature=temperature,
        )  # fmt: skip
        judgement, changed = evaluate_on_test(album, tuned, head, start.probe, seed=settings.seed)
        report = FinetuneReport(
            model=target,
            fingerprint=tuned.fingerprint,
            base=base.spec,
            classes=album.classes,
            trained_on=len(album.training.photos),
            copies=rows.copies,
            validated_on=len(album.validation.photos),
            judgement=judgement,
            history=tuple(history),
            settings=settings,
            rejects=(*album.rejects, *changed),
            seconds=time.perf_counter() - begun,
            temperature=temperature,
            selected_on_test=tuple(chosen),
            notes=tuple(filter(None, notes)),
        )
        write_json(draft / REPORT, report.record())
    shutil.rmtree(work)
    return report


def _run(base: Backbone, album: Dataset, rows: Rows, settings: FinetuneSettings) -> str:
    """What a checkpoint must agree on to be taken up: everything that decides the weights."""
    about = [base.fingerprint, album.classes, rows.copies, settings.record(), album.contents()]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()
