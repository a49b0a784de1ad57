"""The labelled pictures of an index, and which of them a score may use."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embedtool.classification.labels import UNLABELLED, Labelled, LabelTable, read_labels
from embedtool.classification.network_training import (
    Flags,
    check_enough,
    left_out_notes,
    network_training_images,
    new_images,
    unknown_training_notes,
)
from embedtool.classification.splits import Numbers, stratified_sample
from embedtool.core.types import Progress, Vectors
from embedtool.errors import UsageError
from embedtool.search.centre import Centre, read_centre
from embedtool.store.reader import IndexReader


@dataclass(frozen=True)
class TrainingSet:
    """The labelled contents of an index, the first `count` of n, and then the unlabelled ones that
    its network was trained on: their numbers among all contents (n,), unit rows (n, d), classes
    (n,), the centre of the index, and whether the network was trained on them (n,)."""

    labelled: Labelled
    count: int
    contents: Numbers
    rows: Vectors
    labels: Numbers
    centre: Centre
    learned: Flags
    index: Path
    model: str
    fingerprint: str
    notes: tuple[str, ...]  # about what the network was trained on

    def images(self, chosen: Numbers) -> Numbers:
        """Return the position in chosen (m,) of the content of each image file that has one."""
        place = np.full(len(self.labelled.vectors), -1)
        place[self.contents[chosen]] = np.arange(len(chosen))
        of_image: Numbers = place[self.labelled.contents]
        return of_image[of_image >= 0]


@dataclass(frozen=True)
class TrainingSplit:
    """Which contents of a training set a score may use, and which are only trained on.

    groups: the group of near-duplicates of each scored content."""

    scored: Numbers
    others: Numbers
    groups: Numbers
    ungrouped_classes: tuple[str, ...]
    left_out: int
    notes: tuple[str, ...]


def read_training_set(index: IndexReader, labels: LabelTable | None) -> TrainingSet:
    with index.snapshot():
        labelled = read_labels(index, labels)
        classes = labelled.report.classes
        if len(classes) < 2:
            found = "".join(f": {name!r}, {count:,} images" for name, count in classes.items())
            raise UsageError(
                f"expected images of at least two classes, received {len(classes)}{found}. Classes "
                "are the names of the folders, or the labels in the table of --labels FILE"
            )
        known = labelled.labels != UNLABELLED
        network = network_training_images(index)
        learned = network.flags(labelled.digests)
        parts = [np.flatnonzero(known), np.flatnonzero(~known & learned)]
        rows = [index.rows_at(index.places(labelled.vectors[part].tolist())) for part in parts]
        contents = np.concatenate(parts)
        return TrainingSet(
            labelled=labelled,
            count=len(parts[0]),
            contents=contents,
            rows=np.concatenate(rows) if parts[1].size else rows[0],
            labels=labelled.labels[contents],
            centre=read_centre(index),
            learned=learned[contents],
            index=index.path,
            model=index.model,
            fingerprint=index.fingerprint,
            notes=tuple(unknown_training_notes(network, index.path)),
        )


def split_training_set(
    training: TrainingSet, most: int, *, seed: int = 0, progress: Progress | None = None
) -> TrainingSplit:
    """Find the contents that a score may use: labelled ones on which the network was not trained,
    nor on a near-duplicate of them.

    most: a stratified sample of about this many is taken of them, and as many of the others.
    Raises UsageError if a class has one picture, or if too few contents are left."""
    names = training.labelled.classes
    known = np.arange(len(training.labels)) < training.count
    chosen = _sample(training.labels, np.flatnonzero(known & ~training.learned), most, seed)
    compared = np.concatenate([chosen, np.flatnonzero(training.learned)])
    new, similar = new_images(
        training.rows[compared],
        training.labels[compared],
        training.learned[compared],
        progress=progress,
    )
    scored, groups = compared[new], similar.groups[new]
    if training.learned.any():
        check_enough(training.labels[scored], training.count, training.index, training.model)
    else:
        _check_classes(training, groups)
    others = np.sort(compared[~new & known[compared]])
    left_out = len(others)
    return TrainingSplit(
        scored=scored,
        others=_sample(training.labels, others, most, seed),
        groups=groups,
        ungrouped_classes=tuple(names[c] for c in similar.ungrouped_classes if c < len(names)),
        left_out=left_out,
        notes=(
            *similar.notes(names),
            *training.notes,
            *left_out_notes(left_out, training.count),
        ),
    )


def _sample(labels: Numbers, places: Numbers, most: int, seed: int) -> Numbers:
    return places[stratified_sample(labels[places], most, seed=seed)]


def _check_classes(training: TrainingSet, groups: Numbers) -> None:
    """Raise UsageError if a class has only one picture. Near-duplicates count as one picture if all
    images were grouped. groups: of the cross-validated images."""
    whole = len(groups) == len(training.labels)
    for number, (name, count) in enumerate(training.labelled.report.classes.items()):
        here = np.flatnonzero(training.labels == number)
        if (np.unique(groups[here]).size if whole else len(here)) < 2:
            copies = f" (and {count - 1} copies of it)" if count > 1 else ""
            raise UsageError(
                f"expected at least two different photos of each class, but class {name!r} has "
                f"only one{copies}. Index more photos of this class, or leave the class out: pass "
                "--labels FILE with a table of labels that omits it"
            )
