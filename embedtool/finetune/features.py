"""Compute rows of activations of labelled photos, plain and augmented, on all cores."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.core.paths import full_path
from embedtool.core.threads import cpu_count, map_in_order
from embedtool.core.types import Progress, Source
from embedtool.errors import EmbedtoolError, ImageRejected
from embedtool.finetune.activation_cache import ActivationStore
from embedtool.finetune.frozen_part import FrozenPart
from embedtool.images.augmentation import Augmentation, augment, copy_key
from embedtool.images.quarantine import Quarantine
from embedtool.images.read_file import read_source
from embedtool.models.cache import cache_folder


@dataclass(frozen=True)
class Photo:
    """A photo file that was read once. label: the number of its class."""

    source: Source
    digest: bytes  # SHA-256 of the bytes
    label: int


@dataclass(frozen=True)
class Examples:
    """Rows of activations to train on. The row of a copy has the label of its photo."""

    stores: tuple[npt.NDArray[Any], ...]  # each (m, *shape), mapped from disk
    store: npt.NDArray[np.int64]  # (n,) the number of the store
    place: npt.NDArray[np.int64]  # (n,) the number of the row in it
    labels: npt.NDArray[np.int64]  # (n,)

    def rows(self, chosen: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Return the chosen rows (b, *shape), float32 or uint8."""
        pairs = zip(self.store[chosen], self.place[chosen], strict=True)
        rows = np.stack([self.stores[store][place] for store, place in pairs])
        return rows if rows.dtype == np.uint8 else rows.astype(np.float32)


def row_keys(photos: Sequence[Photo], copies: Sequence[int], *, seed: int = 0) -> list[bytes]:
    """Return the key of each copy of each photo, ordered by copy, then by photo."""
    return [copy_key(photo.digest, copy, seed=seed) for copy in copies for photo in photos]


def open_store(
    frozen_part: FrozenPart, augmentation: Augmentation, *, seed: int = 0
) -> ActivationStore:
    """Open the store of one frozen part, augmentation and seed in the user cache."""
    text = f"{frozen_part.fingerprint} {json.dumps(asdict(augmentation), sort_keys=True)} {seed}"
    name = hashlib.sha256(text.encode()).hexdigest()[:32]
    return ActivationStore(
        cache_folder() / "activations" / name, frozen_part.shape, frozen_part.dtype
    )


def fill_store(
    store: ActivationStore,
    photos: Sequence[Photo],
    frozen_part: FrozenPart,
    *,
    augmentation: Augmentation,
    copies: Sequence[int],
    seed: int = 0,
    progress: Progress | None = None,
    stage: str,
) -> dict[bytes, ImageRejected]:
    """Add the missing rows to a store. Return the rejects, by digest, that cannot be decoded.

    copies: their numbers. Each copy of each photo has its own random augmentation.
    """
    absent = set(store.missing(row_keys(photos, copies, seed=seed)))
    todo: dict[bytes, tuple[Photo, list[int]]] = {}
    for photo in photos:
        wanted = [c for c in copies if copy_key(photo.digest, c, seed=seed) in absent]
        if wanted:
            todo[photo.digest] = photo, wanted
    refusals: dict[bytes, ImageRejected] = {}
    with Quarantine(None, workers=cpu_count()) as quarantine:

        def work(item: tuple[Photo, list[int]]) -> list[npt.NDArray[Any]] | ImageRejected:
            photo, wanted = item
            data = read_photo(photo)
            try:
                pixels = quarantine.decode(photo.digest, data, frozen_part.size)
            except ImageRejected as reject:
                return reject
            return [
                frozen_part.forward(
                    augment(pixels, augmentation, key=copy_key(photo.digest, copy, seed=seed))[None]
                )[0]
                for copy in wanted
            ]

        results = map_in_order(work, list(todo.values()))
        for done, ((photo, wanted), made) in enumerate(zip(todo.values(), results, strict=True), 1):
            if isinstance(made, ImageRejected):
                refusals[photo.digest] = made
            else:
                for copy, row in zip(wanted, made, strict=True):
                    store.append(copy_key(photo.digest, copy, seed=seed), row)
            if progress:
                progress(done, len(todo), stage=stage, rejected=len(refusals))
    return refusals


def read_photo(photo: Photo) -> bytes:
    """Return the bytes of a file. Raises EmbedtoolError if they changed since the first read."""
    try:
        _, data = read_source(photo.source)
    except ImageRejected:
        data = b""
    if hashlib.sha256(data).digest() != photo.digest:
        name = full_path(photo.source.root, photo.source.path)
        raise EmbedtoolError(
            f"expected the photos not to change during training, but {name} was changed or "
            "removed. Run the same command again"
        )
    return data
