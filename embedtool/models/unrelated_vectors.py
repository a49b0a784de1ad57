"""Vectors of drawn pictures, which look like no collection of photos.

The recall of approximate search is measured with them. They are computed once for each network and
kept in the user cache.
"""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embedtool.core.atomic_files import atomic_write
from embedtool.core.types import Vectors
from embedtool.models.cache import cache_folder

if TYPE_CHECKING:
    from embedtool.models.embedder import Embedder

PER_KIND = 50  # pictures of each of the twelve kinds that are drawn
SEED = 20  # `draw_photos` draws other pictures


def unrelated_vectors(
    fingerprint: str, dim: int, embedder: "Embedder | None" = None
) -> Vectors | None:
    """Return the unit vectors (600, d) of the drawn pictures under a network.

    If the cache does not have them, they are computed with the embedder. Without one, the result is
    None."""
    file = cache_folder() / "unrelated_vectors" / f"{fingerprint}.npy"
    stored = _read(file)
    if stored is not None and stored.shape[1:] == (dim,):
        return stored
    if embedder is None:
        return None
    made = _embed(embedder)
    with suppress(OSError):  # a cache that cannot be written costs the time to compute them again
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as opened:
            np.save(opened, made)
    return made


def _read(file: Path) -> Vectors | None:
    try:
        stored = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):  # missing or damaged
        return None
    return stored if stored.dtype == np.float32 else None


def _embed(embedder: "Embedder") -> Vectors:
    from embedtool.images.decode import image_pixels
    from embedtool.images.drawn_kinds import KINDS

    random = np.random.default_rng(SEED)
    batches = (
        np.stack([image_pixels(draw(random), embedder.size) for draw in KINDS.values()])
        for _ in range(PER_KIND)
    )
    return np.concatenate([embedder.embed(pixels) for pixels in batches])
