"""The photos of a run: read, labelled, embedded by the frozen network, and split."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import compress

import numpy as np
import numpy.typing as npt

from embedtool.classification.near_copies import near_duplicate_groups
from embedtool.classification.splits import Numbers, assign_folds, linked_groups
from embedtool.core.paths import full_path
from embedtool.core.threads import in_order
from embedtool.core.types import PathLike, Progress, Reject, Source, Vectors, unit_rows
from embedtool.errors import ImageRejected, UsageError
from embedtool.finetune.activation_cache import ActivationStore
from embedtool.finetune.features import Photo, fill, open_store, row_keys
from embedtool.finetune.frozen_part import NONE, FrozenPart
from embedtool.finetune.photo_labels import ROLES, labelled_photos
from embedtool.images.augmentation import NONE as AS_IT_IS
from embedtool.images.read_file import read_source
from embedtool.models import Backbone

PLAIN = "embedding"  # the stage of the first pass
PARTS = 10  # to hold out some of: finer, few photos of a class would not fill them
LEAKS = (  # what is left out of the sets to learn from and to validate on
    "training photos alike to one to validate or test on",
    "validation photos alike to one to test on",
)
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PhotoSet:
    """Labelled photos and the unit rows (n, d) that the frozen network makes of them."""

    photos: tuple[Photo, ...]
    vectors: Vectors

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        return np.array([photo.label for photo in self.photos], np.int64)

    def part(self, chosen: Flags) -> "PhotoSet":
        return PhotoSet(tuple(compress(self.photos, chosen)), self.vectors[chosen])


@dataclass(frozen=True)
class Dataset:
    """What there is to learn from, to choose by, and to judge on."""

    classes: tuple[str, ...]
    training: PhotoSet
    groups: Numbers  # of the training photos (n,), those that are alike in one
    validation: PhotoSet  # may be empty
    test: PhotoSet  # may be empty
    rejects: tuple[Reject, ...]
    notes: tuple[str, ...]

    def contents(self) -> list[list[str]]:
        """SHA-256 and class of each photo to learn from, and of each to validate on."""
        return [
            [f"{photo.digest.hex()} {photo.label}" for photo in part.photos]
            for part in (self.training, self.validation)
        ]


def survey(
    photos: PathLike | Sequence[PathLike],
    *,
    backbone: Backbone,
    labels: PathLike | None,
    validation: PathLike | Sequence[PathLike] | None,
    test: PathLike | Sequence[PathLike] | None,
    share: float,
    seed: int,
    progress: Progress | None = None,
) -> Dataset:
    """Read and label every photo, embed it, and hold some out to validate on where none are named.

    No photo is learned from that is alike to one to validate or test on, nor chosen by that is
    alike to one to test on. Photos that cannot be read or decoded are rejected, never raised.
    Raises PhotosMissing, and UsageError where there are not two classes with two photos each.
    """
    rejects: list[Reject] = []
    notes: list[str] = []
    named = labelled_photos((photos, validation, test), labels, notes)
    classes = tuple(sorted({label for _, label in named[0]}))
    bottom = FrozenPart(backbone, NONE)
    with open_store(bottom, AS_IT_IS) as store:
        sets = []
        for role, files in zip(ROLES, named, strict=True):
            known = [(source, label) for source, label in files if label in classes]
            if len(known) < len(files):
                strange = sorted({label for _, label in files} - set(classes))
                notes.append(
                    f"{len(files) - len(known)} {role} photos are of classes that no training "
                    f"photo has ({', '.join(strange[:3])}): they are left out"
                )
            found = _read([s for s, _ in known], [classes.index(c) for _, c in known], rejects)
            sets.append(_embedded(found, store, bottom, rejects, notes, progress))
    rejected = tuple(dict.fromkeys(rejects))  # a file may be in several sets
    _few(sets[0], classes, rejected, notes)
    similar = near_duplicate_groups(
        np.concatenate([part.vectors for part in sets]),
        np.concatenate([part.labels for part in sets]),
        progress=progress,
    )
    pairs = np.concatenate([similar.pairs, _contents(sets)])
    apart = _apart(sets, pairs, notes)
    pool, held, judged = (part.part(kept) for part, kept in zip(sets, apart, strict=True))
    groups = linked_groups(pairs, sum(map(len, apart)))[: len(apart[0])][apart[0]]
    if few := _few(pool, classes, rejected, notes):
        notes.append(
            f"classes of one photo or none ({len(few)}: {', '.join(few[:3])}): it is learned from "
            "and never held out"
        )
    notes += similar.notes(classes)
    if validation is None and share:
        out = _held_out(pool.labels, groups, share=share, seed=seed)
        held, pool, groups = pool.part(out), pool.part(~out), groups[~out]
    return Dataset(classes, pool, groups, held, judged, rejected, tuple(notes))


def _contents(sets: Sequence[PhotoSet]) -> Numbers:
    """Each of n photos with the last of its content (n, 2): in a class, too, where likeness tells
    nothing, that is one picture."""
    digests = [photo.digest for part in sets for photo in part.photos]
    last = {digest: number for number, digest in enumerate(digests)}
    return np.array([(number, last[digest]) for number, digest in enumerate(digests)], np.int64)


def _apart(sets: Sequence[PhotoSet], pairs: Numbers, notes: list[str]) -> list[Flags]:
    """Which photos of each set are alike to none of a later one; pairs (p, 2) are alike.

    Themselves, not by way of others: with the built-in network, to which more photos are alike,
    that would cost 547 of 3,068 clothing photos in the place of 280 (mobilenet_v2: 1).
    """
    sizes = [len(part.photos) for part in sets]
    of = np.repeat(np.arange(len(sets)), sizes)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    kept = np.ones(len(of), np.bool_)
    kept[both[of[both[:, 0]] < of[both[:, 1]], 0]] = False
    parts: list[Flags] = np.split(kept, np.cumsum(sizes)[:-1])
    for part, what in zip(parts, LEAKS, strict=False):
        if left_out := int((~part).sum()):
            notes.append(f"{what}, left out: {left_out}")
    return parts


def _held_out(
    labels: Numbers, groups: Numbers, *, share: float, seed: int
) -> npt.NDArray[np.bool_]:
    """Whether each of n photos is held out (n,): some parts of as many as give the share. No class
    goes whole."""
    least = Fraction(share).limit_denominator(max(PARTS, round(1 / share)))
    out: Flags = assign_folds(labels, groups, least.denominator, seed=seed) < least.numerator
    for label in np.unique(labels):
        if out[labels == label].all():
            out[labels == label] = False
    return out


def _read(files: Sequence[Source], labels: Sequence[int], rejects: list[Reject]) -> list[Photo]:
    def digest(file: Source) -> bytes | ImageRejected:
        try:
            return hashlib.sha256(read_source(file)[1]).digest()
        except ImageRejected as reject:
            return reject

    photos = []
    for file, label, found in zip(files, labels, in_order(digest, files), strict=True):
        if isinstance(found, ImageRejected):
            rejects.append(Reject(full_path(file.root, file.path), found.stage, found.reason))
        else:
            photos.append(Photo(file, found, label))
    return photos


def _embedded(
    photos: list[Photo],
    store: ActivationStore,
    bottom: FrozenPart,
    rejects: list[Reject],
    notes: list[str],
    progress: Progress | None,
) -> PhotoSet:
    refused = fill(
        store, photos, bottom, augmentation=AS_IT_IS, copies=[0], progress=progress, stage=PLAIN
    )
    for photo in photos:
        if reject := refused.get(photo.digest):
            path = full_path(photo.source.root, photo.source.path)
            rejects.append(Reject(path, reject.stage, reject.reason))
    labels: dict[bytes, set[int]] = {}
    for photo in photos:
        labels.setdefault(photo.digest, set()).add(photo.label)
    clear = [photo for photo in photos if len(labels[photo.digest]) == 1]
    if len(clear) < len(photos):
        notes.append(
            f"{len(photos) - len(clear)} photos are copies of one of another class: left out"
        )
    whole = tuple(photo for photo in clear if photo.digest not in refused)
    rows, places = store.rows(row_keys(whole, [0]))
    return PhotoSet(whole, unit_rows(rows[places]))


def _few(
    pool: PhotoSet, classes: tuple[str, ...], rejects: tuple[Reject, ...], notes: list[str]
) -> list[str]:
    """The classes with fewer than two photos. Raises UsageError where fewer than two have more."""
    counts = np.bincount(pool.labels, minlength=len(classes)).tolist()
    if sum(count >= 2 for count in counts) < 2:
        named = ", ".join(f"{n} {name}" for n, name in zip(counts, classes, strict=True))
        why = "".join(f"; {note}" for note in notes)
        if rejects:
            why += f"; photos refused: {len(rejects)}, the first {rejects[0].path}: "
            why += rejects[0].reason
        raise UsageError(
            "expected two classes or more with two photos or more each, every class in a folder "
            f"of its name or by --labels FILE (path,label); received {named or 'none'}{why}"
        )
    return [name for n, name in zip(counts, classes, strict=True) if n < 2]
