"""The rows that one run learns from, within the room that the disk is given for them."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embedtool.core.types import Progress
from embedtool.errors import EmbedtoolError, ImageRejected, UsageError
from embedtool.finetune.activation_cache import evict
from embedtool.finetune.dataset import Dataset
from embedtool.finetune.features import Examples, Photo, fill, open_store, row_keys
from embedtool.finetune.frozen_part import FrozenPart
from embedtool.finetune.settings import FinetuneSettings
from embedtool.images.augmentation import NONE as AS_IT_IS
from embedtool.images.augmentation import Augmentation

CACHE_BYTES = 8 << 30  # of all rows that are kept, of this run and of earlier ones


@dataclass(frozen=True)
class Rows:
    training: Examples
    validation: Examples | None
    copies: int  # augmented ones of each photo: fewer than asked for where the disk's room is short
    notes: tuple[str, ...]


def load_examples(
    album: Dataset,
    bottom: FrozenPart,
    settings: FinetuneSettings,
    *,
    cache_bytes: int = CACHE_BYTES,
    progress: Progress | None = None,
) -> Rows:
    """Compute what is not kept yet: every photo as it is, and the copies of those to learn from.

    Raises UsageError where not even the plain rows fit in cache_bytes.
    """
    learned, held = album.training.photos, album.validation.photos
    copies = 0 if settings.augmentation.changes_nothing else settings.copies
    room = cache_bytes // (int(np.prod(bottom.shape)) * bottom.dtype.itemsize)
    plain = len(learned) + len(held)
    if plain > room:
        raise UsageError(
            f"{plain} photos need {plain * cache_bytes / max(room, 1) / 1e9:.1f} GB of the disk "
            f"where {cache_bytes / 1e9:.1f} may be used: pass a larger --cache-size, or train "
            "less of the network"
        )
    notes = []
    if settings.batch_size > (count := len(learned) * (copies + 1)):
        notes.append(
            f"a batch of {settings.batch_size} is more than the {count} rows to learn from: each "
            "epoch is one step"
        )
    if copies > (fit := (room - plain) // len(learned)):
        notes.append(
            f"{fit} augmented copies of each photo are kept where {copies} were asked for: more "
            "need a larger --cache-size"
        )
        copies = fit
    seed, numbers = settings.seed, range(1, copies + 1)
    _make_room(
        bottom,
        [
            (AS_IT_IS, 0, row_keys((*learned, *held), [0])),
            (settings.augmentation, seed, row_keys(learned, numbers, seed=seed)),
        ],
        cache_bytes,
    )
    with open_store(bottom, AS_IT_IS) as store:
        refused = fill(store, (*learned, *held), bottom, augmentation=AS_IT_IS, copies=[0],
                       progress=progress, stage="computing the frozen part")  # fmt: skip
        _check(refused)
        first, at = store.rows(row_keys(learned, [0]))
        validation = None
        if held:
            rows, places = store.rows(row_keys(held, [0]))
            validation = Examples((rows,), np.zeros(len(held), np.int64), places, _labels(held))
    stores, which, where = [first], [np.zeros(len(learned), np.int64)], [at]
    if copies:
        with open_store(bottom, settings.augmentation, seed=seed) as store:
            refused = fill(
                store, learned, bottom, augmentation=settings.augmentation, copies=numbers,
                seed=seed, progress=progress, stage="computing augmented copies",
            )  # fmt: skip
            _check(refused)
            rows, places = store.rows(row_keys(learned, numbers, seed=seed))
        stores.append(rows)
        which.append(np.ones(len(places), np.int64))
        where.append(places)
    training = Examples(
        tuple(stores),
        np.concatenate(which),
        np.concatenate(where),
        np.tile(_labels(learned), copies + 1),
    )
    return Rows(training, validation, copies, tuple(notes))


def _check(refused: Mapping[bytes, ImageRejected]) -> None:
    """Raise EmbedtoolError where a photo that could be decoded cannot any more."""
    for digest, reject in refused.items():
        raise EmbedtoolError(
            f"expected photos that decode each time, one (SHA-256 {digest.hex()[:12]}) no longer "
            f"does: {reject.reason}. Run the same command again"
        )


def _labels(photos: tuple[Photo, ...]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array([photo.label for photo in photos], np.int64)


def _make_room(
    bottom: FrozenPart, wanted: Sequence[tuple[Augmentation, int, list[bytes]]], bound: int
) -> None:
    """Drop what earlier runs left, our own stores last: they may hold photos of other runs.

    wanted: of each store its augmentation, its seed and the keys that it is to have rows of.
    """
    own, needed = [], 0
    for augmentation, seed, keys in wanted:
        if keys:
            with open_store(bottom, augmentation, seed=seed) as store:
                own.append(store.folder)
                needed += store.size_with(keys)
    if not evict(own[0].parent, own, needed, bound):
        for folder in own:
            shutil.rmtree(folder)
