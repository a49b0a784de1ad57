"""Prepare the rows of activations that a run trains on, within the limit of disk space."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embedtool.core.types import Progress
from embedtool.errors import EmbedtoolError, ImageRejected, UsageError
from embedtool.finetune.activation_cache import evict
from embedtool.finetune.dataset import Dataset
from embedtool.finetune.features import Examples, Photo, fill_store, open_store, row_keys
from embedtool.finetune.frozen_part import FrozenPart
from embedtool.finetune.settings import FinetuneSettings
from embedtool.images.augmentation import NONE as AS_IT_IS
from embedtool.images.augmentation import Augmentation

CACHE_BYTES = 8 << 30  # limit of all cached rows, with those of earlier runs


@dataclass(frozen=True)
class RunExamples:
    training: Examples
    validation: Examples | None
    copies: int  # augmented copies per photo: fewer than set if the cache is too small
    notes: tuple[str, ...]


def load_examples(
    dataset: Dataset,
    frozen_part: FrozenPart,
    settings: FinetuneSettings,
    *,
    cache_bytes: int = CACHE_BYTES,
    progress: Progress | None = None,
) -> RunExamples:
    """Compute the rows that are not cached yet, for all photos and the copies of training photos.

    Raises UsageError if even the rows without copies do not fit in cache_bytes.
    """
    training_photos, held_out = dataset.training.photos, dataset.validation.photos
    copies = 0 if settings.augmentation.changes_nothing else settings.copies
    capacity = cache_bytes // (int(np.prod(frozen_part.shape)) * frozen_part.dtype.itemsize)
    plain = len(training_photos) + len(held_out)
    if plain > capacity:
        gigabytes = plain * cache_bytes / max(capacity, 1) / 1e9
        raise UsageError(
            f"expected a cache of at least {gigabytes:.1f} GB for {plain} photos, received a limit "
            f"of {cache_bytes / 1e9:.1f} GB: pass a larger --cache-size, or train fewer layers"
        )
    notes = []
    if settings.batch_size > (count := len(training_photos) * (copies + 1)):
        notes.append(
            f"the batch size {settings.batch_size} is larger than the {count} training rows: each "
            "epoch is one step"
        )
    if copies > (fit := (capacity - plain) // len(training_photos)):
        notes.append(
            f"{fit} augmented copies of each photo are used instead of {copies}: for more, pass a "
            "larger --cache-size"
        )
        copies = fit
    seed, numbers = settings.seed, range(1, copies + 1)
    _evict_older_stores(
        frozen_part,
        [
            (AS_IT_IS, 0, row_keys((*training_photos, *held_out), [0])),
            (settings.augmentation, seed, row_keys(training_photos, numbers, seed=seed)),
        ],
        cache_bytes,
    )
    with open_store(frozen_part, AS_IT_IS) as store:
        refused = fill_store(
            store,
            (*training_photos, *held_out),
            frozen_part,
            augmentation=AS_IT_IS,
            copies=[0],
            progress=progress,
            stage="computing the frozen part",
        )
        _check(refused)
        first, at = store.rows(row_keys(training_photos, [0]))
        validation = None
        if held_out:
            rows, places = store.rows(row_keys(held_out, [0]))
            which = np.zeros(len(held_out), np.int64)
            validation = Examples((rows,), which, places, _labels(held_out))
    stores, store_of, place_of = [first], [np.zeros(len(training_photos), np.int64)], [at]
    if copies:
        with open_store(frozen_part, settings.augmentation, seed=seed) as store:
            refused = fill_store(
                store,
                training_photos,
                frozen_part,
                augmentation=settings.augmentation,
                copies=numbers,
                seed=seed,
                progress=progress,
                stage="computing augmented copies",
            )
            _check(refused)
            rows, places = store.rows(row_keys(training_photos, numbers, seed=seed))
        stores.append(rows)
        store_of.append(np.ones(len(places), np.int64))
        place_of.append(places)
    training = Examples(
        tuple(stores),
        np.concatenate(store_of),
        np.concatenate(place_of),
        np.tile(_labels(training_photos), copies + 1),
    )
    return RunExamples(training, validation, copies, tuple(notes))


def _check(refused: Mapping[bytes, ImageRejected]) -> None:
    """Raise EmbedtoolError if a photo that could be decoded before cannot be decoded now."""
    for digest, reject in refused.items():
        raise EmbedtoolError(
            f"the photo with the SHA-256 {digest.hex()[:12]} was decoded before but cannot be "
            f"decoded now: {reject.reason}. Run the same command again"
        )


def _labels(photos: tuple[Photo, ...]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array([photo.label for photo in photos], np.int64)


def _evict_older_stores(
    frozen_part: FrozenPart, wanted: Sequence[tuple[Augmentation, int, list[bytes]]], bound: int
) -> None:
    """Delete stores of earlier runs, and our own last, since they may have photos of other runs.

    wanted: for each store its augmentation, its seed and the keys of its rows.
    """
    own, needed = [], 0
    for augmentation, seed, keys in wanted:
        if keys:
            with open_store(frozen_part, augmentation, seed=seed) as store:
                own.append(store.folder)
                needed += store.size_with(keys)
    if not evict(own[0].parent, own, needed, bound):
        for folder in own:
            shutil.rmtree(folder)
