"""`compare_indexes`: compare two models by their indexes of the same photos."""

from pathlib import Path

import numpy as np

from embedtool.classification.cluster_agreement import Agreement, agreement
from embedtool.classification.compare_vectors import ClassChange, Comparison, Moved, compare_vectors
from embedtool.classification.cross_validation import FOLDS
from embedtool.classification.labels import UNLABELLED, LabelTable, read_labels
from embedtool.classification.near_duplicates import near_duplicate_groups
from embedtool.classification.network_training import (
    check_enough,
    left_out_notes,
    network_training_images,
    unknown_training_notes,
)
from embedtool.classification.splits import Numbers, assign_folds, stratified_sample
from embedtool.core.connected_components import connected_components
from embedtool.core.types import PathLike, Progress
from embedtool.errors import UsageError
from embedtool.search.centre import read_centre
from embedtool.store.cluster_labels import Clusters, read_clusters
from embedtool.store.reader import IndexReader

MAX_IMAGES = 10_000  # larger sets are sampled: these show a difference of half a point


def compare_indexes(
    first: PathLike,
    second: PathLike,
    *,
    labels: LabelTable | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Compare two models on the images that are in both indexes, matched by content.

    Reports probe and k-NN accuracy by cross-validation on the same folds, precision@10 and mAP, the
    paired confidence interval of each difference, the overlap of nearest neighbours, the agreement
    of clusters, the scores of each class, and the images that changed most. labels: a table of path
    and label for the images of the first index; by default, the classes are the names of its
    folders.
    Images that one of the networks was trained on, and their near-duplicates, are in no score.
    Raises UsageError if the indexes have too few images in common, or too few such images.
    """
    with IndexReader(first) as one, IndexReader(second) as other, one.snapshot(), other.snapshot():
        labelled, theirs = read_labels(one, labels), read_labels(other)
        places = {digest: number for number, digest in enumerate(theirs.digests)}
        known = [
            number
            for number, digest in enumerate(labelled.digests)
            if digest in places and labelled.labels[number] != UNLABELLED
        ]
        mine = np.array(known, np.int64)
        yours = np.array([places[labelled.digests[number]] for number in known], np.int64)
        own, notes = labelled.labels[mine], labelled.report.notes()
        sizes = np.bincount(own, minlength=len(labelled.classes))
        if (sizes < 2).any() or len(sizes) < 2:
            raise UsageError(
                f"expected at least two classes with two images each in both indexes, received "
                f"{len(known)} labelled images in common. Index the same photos into both "
                "(imported vectors match only if the import has the SHA-256 of the files), or name "
                "a table with the columns path and label: --labels FILE"
            )
        networks = [network_training_images(index) for index in (one, other)]
        for index, network in zip((one, other), networks, strict=True):
            notes += unknown_training_notes(network, index.path)
        learned = np.logical_or(*(images.flags(labelled.digests) for images in networks))[mine]
        chosen = stratified_sample(own, MAX_IMAGES, seed=seed)
        if len(chosen) < len(own):
            notes.append(f"a sample of {len(chosen):,} of {len(own):,} images was compared")
            mine, yours, own = mine[chosen], yours[chosen], own[chosen]
            learned = learned[chosen]
        rows = [one.vectors_of(labelled.vectors[mine]), other.vectors_of(theirs.vectors[yours])]
        indexes, models = (one.path, other.path), (one.model, other.model)
        clusters = read_clusters(one), read_clusters(other)
        centres = read_centre(one), read_centre(other)
    # Outside the snapshots, because a long read makes a writer wait.
    similar = [near_duplicate_groups(side, own, progress=progress) for side in rows]
    for side in similar:
        notes += [note for note in side.notes(labelled.classes) if note not in notes]
    groups = _joint_groups([side.groups for side in similar], own)
    new = ~np.isin(groups, groups[learned])
    if learned.any():
        tuned = int(len(networks[1]) > 0)
        check_enough(own[new], len(own), indexes[tuned], models[tuned])
        notes += left_out_notes(len(own) - int(new.sum()), len(own))
    folds = np.where(new, 0, -1)
    folds[new] = assign_folds(own[new], groups[new], FOLDS, seed=seed)
    ids = labelled.vectors[mine[new]], theirs.vectors[yours[new]]
    agreed = _cluster_agreement(clusters, ids, indexes, notes)
    found = compare_vectors(
        rows[0],
        rows[1],
        own,
        folds,
        len(labelled.classes),
        centres=centres,
        seed=seed,
        progress=progress,
    )
    content_paths = labelled.content_paths()
    paths = [content_paths[content] for content in mine.tolist()]
    counts = np.bincount(own[new], minlength=len(labelled.classes)).tolist()
    return Comparison(
        indexes=indexes,
        models=models,
        images=int(new.sum()),
        classes=labelled.classes,
        measures=found.measures,
        overlap=found.overlap,
        agreement=agreed,
        per_class=tuple(
            ClassChange(name, count, *recalls)
            for name, count, recalls in zip(
                labelled.classes, counts, found.recalls.T.tolist(), strict=True
            )
        ),
        moved=tuple(
            Moved(paths[at], labelled.classes[own[at]], distance, paths[before], paths[after])
            for at, distance, before, after in zip(
                found.moved.tolist(), found.distances.tolist(), *found.nearest.tolist(), strict=True
            )
        ),
        strengths=found.strengths,
        queries=found.queries,
        seed=seed,
        notes=tuple(notes),
    )


def _cluster_agreement(
    clusters: tuple[Clusters | None, Clusters | None],
    ids: tuple[Numbers, Numbers],
    indexes: tuple[Path, Path],
    notes: list[str],
) -> Agreement | None:
    """Return how far the clusters of two models agree on the same images, given by their ids in
    each index. If an index has no clusters, add a note that says how to make them. Images that are
    newer than the clusters are left out."""
    sides = []
    for found, own, index in zip(clusters, ids, indexes, strict=True):
        if found is None:
            notes.append(
                "the clusters were not compared, because an index has none. Run: embedtool cluster "
                f"{index}"
            )
        else:
            sides.append(found.labels_of(own, nearest=True))
    if len(sides) < 2:
        return None
    (first, known), (second, too) = sides
    both = known & too
    if (late := int((~both).sum())) and both.any():
        notes.append(
            f"{late:,} images were indexed after the last clustering: the agreement of clusters "
            "leaves them out"
        )
    return agreement(first[both], second[both]) if both.any() else None


def _joint_groups(groups: list[Numbers], own: Numbers) -> Numbers:
    """Return groups of near-duplicates under either model, or the groups of the first model if the
    joint ones would leave a class with one group."""
    links = []
    for found in groups:
        _, firsts, of = np.unique(found, return_index=True, return_inverse=True)
        links.append(np.stack([np.arange(len(found)), firsts[of]], 1))
    joined = connected_components(np.concatenate(links), len(own))
    fewest = min(np.unique(joined[own == c]).size for c in np.unique(own))
    return joined if fewest >= 2 else groups[0]
