"""Leave the images that the network of an index was trained on out of every score.

The vectors of such images are better separated than those of new ones. A score on them would be of
what the network remembers.
"""

import shlex
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedtool.classification.near_duplicates import NearDuplicates, near_duplicate_groups
from embedtool.classification.splits import Numbers
from embedtool.core.types import IMPORTED, Progress, Vectors
from embedtool.errors import IndexDamaged, UsageError
from embedtool.models.training_images import TrainingImages
from embedtool.store.reader import IndexReader

MIN_SCORED = 20  # images; a score of fewer would say nothing
Flags = npt.NDArray[np.bool_]


def network_training_images(index: IndexReader) -> TrainingImages:
    """Return the images that the network of an index was fine-tuned on. Raises IndexDamaged."""
    content = index.training_images()
    if content is None:  # made by an earlier version, or imported
        return TrainingImages(complete=_was_never_fine_tuned(index))
    try:
        return TrainingImages.from_bytes(content)
    except ValueError as error:
        raise IndexDamaged(f"index {index.path} is damaged: {error}") from error


def _was_never_fine_tuned(index: IndexReader) -> bool:
    return (
        index.model in ("builtin", "mobilenet_v2")
        or "://" in index.model
        or index.recipe.architecture == IMPORTED
    )


def new_images(
    rows: Vectors, labels: Numbers, learned: Flags, *, progress: Progress | None = None
) -> tuple[Flags, NearDuplicates]:
    """Return which of n images a score may use (n,), and the near-duplicates among them.

    rows: (n, d). labels: (n,), classes, or -1 for an image without a label. learned: (n,), whether
    the network was trained on the image. An image in one group with such an image is not new."""
    classes = np.where(labels < 0, labels.max() + 1, labels)
    similar = near_duplicate_groups(rows, classes, progress=progress)
    return ~np.isin(similar.groups, similar.groups[learned]), similar


def check_enough(labels: Numbers, total: int, index: Path, model: str) -> None:
    """Raise UsageError if the images that a score may use, with these classes (n,), are too few."""
    if len(labels) < MIN_SCORED or np.unique(labels).size < 2:
        raise UsageError(
            f"expected at least {MIN_SCORED} images of two classes that the network of {index} was "
            f"not trained on, received {len(labels)} of {total:,}. Index other photos: embedtool "
            f"index OTHER_PHOTOS --model {shlex.quote(model)}. Or fine-tune again and test on "
            "photos that are held out: embedtool finetune PHOTOS --test OTHER_PHOTOS --out MODEL"
        )


def left_out_notes(left_out: int, total: int) -> list[str]:
    """Return a note about labelled images that no score uses."""
    if not left_out:
        return []
    return [
        f"{left_out:,} of {total:,} images trained this network, or are near-duplicates of images "
        "that did: no score uses them"
    ]


def unknown_training_notes(images: TrainingImages, place: str | Path) -> list[str]:
    """Return a note about a network whose training images are not known. place: the index made with
    it, or its model."""
    if images.complete:
        return []
    return [
        f"{place} does not record which images its network was fine-tuned on. If they are among "
        "these, the scores are too high. To record them, fine-tune again and index again"
    ]
