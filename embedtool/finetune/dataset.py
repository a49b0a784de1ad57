"""Read, label and embed the photos of a run with the frozen network, and split them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import compress

import numpy as np
import numpy.typing as npt

from embedtool.classification.near_duplicates import near_duplicate_groups
from embedtool.classification.network_training import unknown_training_notes
from embedtool.classification.splits import Numbers, assign_folds
from embedtool.core.connected_components import connected_components
from embedtool.core.paths import full_path
from embedtool.core.threads import map_in_order
from embedtool.core.types import PathLike, Progress, Reject, Source, Vectors, unit_rows
from embedtool.errors import ImageRejected, UsageError
from embedtool.finetune.activation_cache import ActivationStore
from embedtool.finetune.features import Photo, fill_store, open_store, row_keys
from embedtool.finetune.frozen_part import NONE, FrozenPart
from embedtool.finetune.photo_labels import ROLES, labelled_photos
from embedtool.images.augmentation import NONE as AS_IT_IS
from embedtool.images.read_file import read_source
from embedtool.models import Backbone

STAGE = "embedding"
FOLDS = 10  # a share of these is held out; more folds would have no photo of a small class
LEAKS = (  # left out of the training and validation sets
    "training photos that are near-duplicates of validation or test photos",
    "validation photos that are near-duplicates of test photos",
)
LEARNED = "validation or test photos that trained the starting network, or their near-duplicates,"
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PhotoSet:
    """Labelled photos and their unit rows (n, d) from the frozen network."""

    photos: tuple[Photo, ...]
    vectors: Vectors

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        return np.array([photo.label for photo in self.photos], np.int64)

    def subset(self, chosen: Flags) -> "PhotoSet":
        return PhotoSet(tuple(compress(self.photos, chosen)), self.vectors[chosen])


@dataclass(frozen=True)
class Dataset:
    """The training, validation and test photos of a run."""

    classes: tuple[str, ...]
    training: PhotoSet
    groups: Numbers  # of the training photos (n,), one per set of near-duplicates
    validation: PhotoSet  # may be empty
    test: PhotoSet  # may be empty
    rejects: tuple[Reject, ...]
    notes: tuple[str, ...]

    def contents(self) -> list[list[str]]:
        """Return SHA-256 and class of each training and of each validation photo."""
        return [
            [f"{photo.digest.hex()} {photo.label}" for photo in part.photos]
            for part in (self.training, self.validation)
        ]


def read_dataset(
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
    """Read, label and embed every photo. If no validation photos are given, hold out a share.

    No training photo is a near-duplicate of a validation or test photo, and no validation photo of
    a test photo. Photos that cannot be read or decoded are listed in `rejects`, not raised.
    Raises PhotosMissing, and UsageError if there are not two classes with two photos each.
    """
    rejects: list[Reject] = []
    notes: list[str] = []
    named = labelled_photos((photos, validation, test), labels, notes)
    classes = tuple(sorted({label for _, label in named[0]}))
    frozen_part = FrozenPart(backbone, NONE)
    with open_store(frozen_part, AS_IT_IS) as store:
        sets = []
        for role, files in zip(ROLES, named, strict=True):
            known = [(source, label) for source, label in files if label in classes]
            if len(known) < len(files):
                strange = sorted({label for _, label in files} - set(classes))
                notes.append(
                    f"{len(files) - len(known)} {role} photos have classes without training "
                    f"photos ({', '.join(strange[:3])}) and were left out"
                )
            readable = _read([s for s, _ in known], [classes.index(c) for _, c in known], rejects)
            sets.append(_embedded(readable, store, frozen_part, rejects, notes, progress))
    rejected = tuple(dict.fromkeys(rejects))  # a file may be in several sets
    _small_classes(sets[0], classes, rejected, notes)
    similar = near_duplicate_groups(
        np.concatenate([part.vectors for part in sets]),
        np.concatenate([part.labels for part in sets]),
        progress=progress,
    )
    pairs = np.concatenate([similar.pairs, _contents(sets)])
    learned = backbone.folder.read_training_images()
    notes += unknown_training_notes(learned, backbone.spec)
    old = learned.flags([photo.digest for part in sets for photo in part.photos])
    clean = _without_leaks(sets, pairs, old, notes)
    training, held_out, tested = (
        part.subset(flags) for part, flags in zip(sets, clean, strict=True)
    )
    groups = connected_components(pairs, sum(map(len, clean)))[: len(clean[0])][clean[0]]
    if small := _small_classes(training, classes, rejected, notes):
        notes.append(
            f"classes with fewer than two photos ({len(small)}: {', '.join(small[:3])}) are used "
            "for training only"
        )
    notes += similar.notes(classes)
    if validation is None and share:
        out = _held_out(training.labels, groups, share=share, seed=seed)
        old = old[: len(clean[0])][clean[0]]
        out &= ~np.isin(groups, groups[old])
        held_out, training, groups = training.subset(out), training.subset(~out), groups[~out]
    return Dataset(classes, training, groups, held_out, tested, rejected, tuple(notes))


def _contents(sets: Sequence[PhotoSet]) -> Numbers:
    """Pair each of n photos with the last one of equal content (n, 2). This also links copies in
    classes whose near-duplicates cannot be identified."""
    digests = [photo.digest for part in sets for photo in part.photos]
    last = {digest: number for number, digest in enumerate(digests)}
    return np.array([(number, last[digest]) for number, digest in enumerate(digests)], np.int64)


def _without_leaks(
    sets: Sequence[PhotoSet], pairs: Numbers, old: Flags, notes: list[str]
) -> list[Flags]:
    """Flag the photos of each set that are not in a pair (p, 2) with a photo of a later set, and
    the validation and test photos that are not in a pair with one that the starting network was
    trained on. old: whether it was (n,); every photo is in a pair.

    Only direct pairs count, not chains of them. With the built-in network, which finds more
    near-duplicates, chains would cost 547 of 3,068 clothing photos instead of 280 (mobilenet_v2:
    1).
    """
    sizes = [len(part.photos) for part in sets]
    set_of = np.repeat(np.arange(len(sets)), sizes)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    clean = np.ones(len(set_of), np.bool_)
    clean[both[set_of[both[:, 0]] < set_of[both[:, 1]], 0]] = False
    flags: list[Flags] = np.split(clean, np.cumsum(sizes)[:-1])
    for own, what in zip(flags, LEAKS, strict=False):
        if left_out := int((~own).sum()):
            notes.append(f"{what} were left out: {left_out}")
    learned = np.zeros(len(set_of), np.bool_)
    learned[both[old[both[:, 1]], 0]] = True
    for own, known in zip(flags[1:], np.split(learned, np.cumsum(sizes)[:-1])[1:], strict=True):
        if left_out := int((own & known).sum()):
            notes.append(f"{LEARNED} were left out: {left_out}")
        own &= ~known
    return flags


def _held_out(
    labels: Numbers, groups: Numbers, *, share: float, seed: int
) -> npt.NDArray[np.bool_]:
    """Flag the photos that are held out (n,): as many folds as give the share. No class is held out
    completely."""
    ratio = Fraction(share).limit_denominator(max(FOLDS, round(1 / share)))
    out: Flags = assign_folds(labels, groups, ratio.denominator, seed=seed) < ratio.numerator
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
    for file, label, found in zip(files, labels, map_in_order(digest, files), strict=True):
        if isinstance(found, ImageRejected):
            rejects.append(Reject(full_path(file.root, file.path), found.stage, found.reason))
        else:
            photos.append(Photo(file, found, label))
    return photos


def _embedded(
    photos: list[Photo],
    store: ActivationStore,
    frozen_part: FrozenPart,
    rejects: list[Reject],
    notes: list[str],
    progress: Progress | None,
) -> PhotoSet:
    refused = fill_store(
        store,
        photos,
        frozen_part,
        augmentation=AS_IT_IS,
        copies=[0],
        progress=progress,
        stage=STAGE,
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
            f"{len(photos) - len(clear)} photos have a copy in another class and were left out"
        )
    whole = tuple(photo for photo in clear if photo.digest not in refused)
    rows, places = store.rows(row_keys(whole, [0]))
    return PhotoSet(whole, unit_rows(rows[places]))


def _small_classes(
    pool: PhotoSet, classes: tuple[str, ...], rejects: tuple[Reject, ...], notes: list[str]
) -> list[str]:
    """Return the classes with fewer than two photos. Raises UsageError if fewer than two classes
    have two photos."""
    counts = np.bincount(pool.labels, minlength=len(classes)).tolist()
    if sum(count >= 2 for count in counts) < 2:
        named = ", ".join(f"{n} {name}" for n, name in zip(counts, classes, strict=True))
        why = "".join(f"; {note}" for note in notes)
        if rejects:
            why += f"; photos rejected: {len(rejects)}, the first is {rejects[0].path}: "
            why += rejects[0].reason
        raise UsageError(
            "expected at least two classes with two photos each, from the names of folders or from "
            f"the table of --labels FILE, received {named or 'none'}{why}"
        )
    return [name for n, name in zip(counts, classes, strict=True) if n < 2]
