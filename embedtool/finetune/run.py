"""`finetune_model`: train a network on photos and write it as a model folder."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from embedtool.classification.temperature import fit_temperature
from embedtool.core.atomic_files import publish_folder, write_json
from embedtool.core.drafts import DRAFT
from embedtool.core.lock import LOCK, acquire_lock
from embedtool.core.types import PathLike, Progress
from embedtool.errors import UsageError
from embedtool.finetune.augmentation_sheet import write_sheet
from embedtool.finetune.checkpoint import BEST, LAST, Epoch
from embedtool.finetune.dataset import Dataset, read_dataset
from embedtool.finetune.evaluation import evaluate_on_test
from embedtool.finetune.examples import CACHE_BYTES, load_examples
from embedtool.finetune.frozen_part import FrozenPart
from embedtool.finetune.initial_head import fit_probe
from embedtool.finetune.report import FinetuneReport
from embedtool.finetune.settings import FinetuneSettings
from embedtool.finetune.trained_part import TrainedPart
from embedtool.finetune.training import predict, train
from embedtool.finetune.write_model import REPORT, write_head, write_model
from embedtool.models import Backbone, load_backbone

UNCALIBRATED = "no photos were held out for validation"
TEMPERATURE, EPOCH = "temperature", "epoch"  # what may be chosen on validation photos


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
    """Train the upper layers of a network on labelled photos and write it as a model folder.

    photos: folders with one folder per class, or any folders with `labels`, a table of path and
    label. validation: validation photos; by default, a share of `photos`, with near-duplicates kept
    together. test: test photos, used only for the final scores. out: the model folder, for
    `index --model`; it must not exist. model: the network to start from. sheet: also write a PNG of
    augmented photos. tensorboard: also write logs to this folder. cache_bytes: the largest size of
    the cache of frozen-layer outputs. after_epoch: called after each epoch. If a run is killed, the
    same call resumes after its last epoch, from OUT.training.
    Raises UsageError, PhotosMissing, ModelOffline, ModelUnavailable.

    >>> count = embedtool.draw_photos("few", per_kind=4, jpeg_only=True)
    >>> settings = embedtool.FinetuneSettings(unfreeze="none", epochs=1, copies=0)
    >>> report = embedtool.finetune_model("few", out="tuned", model="builtin", settings=settings)
    >>> len(report.classes), len(report.history)
    (12, 1)
    """
    begun = time.perf_counter()
    settings = settings or FinetuneSettings()
    target = Path(os.path.abspath(out))
    if os.path.lexists(target):
        raise UsageError(
            f"expected a new folder for the model, but {out} exists: choose another --out"
        )
    work = target.with_name(target.name + ".training")
    _check_work_folder(work)
    base = load_backbone(model)
    frozen_part = FrozenPart(base, settings.unfreeze)
    dataset = read_dataset(
        photos,
        backbone=base,
        labels=labels,
        validation=validation,
        test=test,
        share=settings.validation_share,
        seed=settings.seed,
        progress=progress,
    )
    if settings.patience and not dataset.validation.photos:
        raise UsageError(
            "patience needs validation photos, but none are held out. Name some with --validation, "
            "or leave out --patience"
        )
    trained_part = TrainedPart(base.folder, frozen_part.shape, len(dataset.classes), settings)
    if sheet is not None:
        write_sheet(dataset.training.photos, sheet, settings, size=frozen_part.size)
    examples = load_examples(
        dataset, frozen_part, settings, cache_bytes=cache_bytes, progress=progress
    )
    initial = fit_probe(dataset, settings, progress=progress)
    if not settings.from_scratch:
        trained_part.start_head(initial.head)
    work.mkdir(parents=True, exist_ok=True)
    lock = acquire_lock(work)
    try:
        history = train(
            trained_part,
            settings,
            examples.training,
            examples.validation,
            classes=len(dataset.classes),
            checkpoints=work,
            run=_identity(base, dataset, examples.copies, settings),
            tensorboard=Path(tensorboard) if tensorboard is not None else None,
            after_epoch=after_epoch,
            progress=progress,
        )
    finally:
        os.close(lock)
    temperature, uncalibrated, chosen = 1.0, UNCALIBRATED, []
    if held_out := examples.validation:
        probabilities = predict(trained_part, held_out)
        temperature, uncalibrated = fit_temperature(probabilities, held_out.labels)
        chosen = [TEMPERATURE] * (not uncalibrated) + [EPOCH] * (settings.patience > 0)
    if dataset.test.photos:
        chosen = []
    notes = [base.note, *dataset.notes, *examples.notes]
    if uncalibrated:
        notes.append(f"probabilities were not calibrated: {uncalibrated}")
    if chosen:
        notes.append(
            f"the test photos were also used to choose the {' and the '.join(chosen)}, so the "
            "score may be too high: name other photos with --test"
        )
    with publish_folder(target, existing="refuse") as draft:
        tuned = write_model(draft, trained_part, base, settings, dataset, name=target.name)
        head = write_head(
            draft,
            trained_part.head(),
            dataset,
            settings,
            model=str(target),
            fingerprint=tuned.fingerprint,
            strength=initial.strength,
            temperature=temperature,
        )
        test_result, changed = evaluate_on_test(
            dataset, tuned, head, initial.probe, seed=settings.seed
        )
        report = FinetuneReport(
            model=target,
            fingerprint=tuned.fingerprint,
            base=base.spec,
            classes=dataset.classes,
            trained_on=len(dataset.training.photos),
            copies=examples.copies,
            validated_on=len(dataset.validation.photos),
            test_result=test_result,
            history=tuple(history),
            settings=settings,
            rejects=(*dataset.rejects, *changed),
            seconds=time.perf_counter() - begun,
            temperature=temperature,
            selected_on_test=tuple(chosen),
            notes=tuple(filter(None, notes)),
        )
        write_json(draft / REPORT, report.file_record())
    shutil.rmtree(work)
    return report


def _check_work_folder(work: Path) -> None:
    """Raise UsageError if the folder of the checkpoint, which is removed later, has other files."""
    names = {path.name for path in work.glob("*") if not DRAFT.fullmatch(path.name)}
    if foreign := sorted(names - {LOCK, LAST, BEST}):
        raise UsageError(
            f"expected {work}, where a run keeps its checkpoint, to be new or of an earlier run, "
            f"but it contains {foreign[0]}: choose another --out"
        )


def _identity(base: Backbone, dataset: Dataset, copies: int, settings: FinetuneSettings) -> str:
    """Return the identity of a run: a digest of everything that determines its weights. A run
    resumes only from a checkpoint of the same identity."""
    about = [base.fingerprint, dataset.classes, copies, settings.file_record(), dataset.contents()]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()
