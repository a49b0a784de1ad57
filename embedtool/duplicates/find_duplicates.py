"""`find_duplicates`: find groups of images that show the same picture, and choose which to keep.

The nearest neighbours of each vector propose pairs, and the pixels decide. Each group is a star:
every member was compared with the kept image, so a chain of small changes does not grow into one
large group.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedtool.core.connected_components import connected_components
from embedtool.core.types import PathLike, Progress
from embedtool.duplicates.files_by_content import Content, read_contents
from embedtool.duplicates.keep_rule import Candidate, KeepRule, compare_in_group
from embedtool.duplicates.linked_pairs import relations_of
from embedtool.duplicates.picture_pairs import DIFFERENT, UNEDITED, Pairs, PicturePairs
from embedtool.duplicates.results import DuplicateGroup, Duplicates, Keep
from embedtool.duplicates.star_groups import Items, star_groups
from embedtool.images.metadata import is_raw_name
from embedtool.search.centre import no_centre
from embedtool.search.exact import check_similarity, nearest
from embedtool.search.searcher import open_searcher
from embedtool.store.reader import IndexReader

NEIGHBOURS = 8  # pairs proposed for each image: a copy is among the first few
MIN_COSINE = (
    0.5  # of a pair to compare: every re-encoding, resize and crop that was measured is above it
)
NO_ITEMS = np.empty(0, np.int64)
Test = Callable[[Pairs, Progress | None], npt.NDArray[np.bool_]]


def find_duplicates(
    index: IndexReader,
    *,
    min_similarity: float | None = None,
    reference: PathLike | None = None,
    keep: Keep = "original",
    progress: Progress | None = None,
) -> Duplicates:
    """Find groups of images that show the same picture.

    Kinds: "identical" images have the same bytes. "near-identical" ones are one picture that was
    re-encoded or resized, as their pixels show. "edited" ones are one picture that was changed, as
    by a crop, a filter or a caption. "similar" ones have at least the cosine min_similarity to the
    kept image; without min_similarity there are none. In this order, only the kept image of a group
    can be in a group of a later kind. So an image is in at most one group of each kind, and is
    redundant in at most one. keep: which image is kept, see `keep_rule`. With a reference folder,
    its images are kept, and each group has one image in it and at least one outside. The RAW file
    of a camera is compared by its bytes alone. Files that changed since they were indexed are left
    out. If a file is gone, its vector decides, and `verified` is False.
    Raises UsageError (no image in the index or in the reference folder, min_similarity out of
    range, an unknown rule).
    """
    check_similarity(min_similarity)
    rule = KeepRule(keep)
    with index.snapshot():
        items, notes = read_contents(index, reference, lambda file: rule.order(Candidate(file)))
        search = _Search(index, items, reference is not None, keep, progress)
        found = [*map(search.identical, items)]
        near = search.near_identical()
        found += [search.group("near-identical", group) for group in near]
        search.rule = KeepRule(keep, edits=True)
        edited = search.edited(near)
        found += [search.group("edited", group) for group in edited]
        if min_similarity is not None:
            search.rule = rule
            similar = search.similar(_members(near + edited), min_similarity)
            found += [search.group("similar", group) for group in similar]
        groups = [group for group in found if group is not None]
        kinds = ["identical", "near-identical", "edited", "similar"]
        groups.sort(key=lambda g: (kinds.index(g.kind), -g.similarity, os.fsencode(g.keep)))
        return Duplicates(
            index=index.path,
            roots=tuple(Path(os.fsdecode(root)) for root in index.roots()),
            images=index.counts()["images"],
            groups=tuple(groups),
            notes=tuple(notes),
        )


class _Search:
    """The state of one search for duplicates."""

    def __init__(
        self,
        index: IndexReader,
        items: Sequence[Content],
        referenced: bool,
        keep: Keep,
        progress: Progress | None,
    ) -> None:
        self.index = index
        self.items = items
        self.rule = KeepRule(keep)
        self.candidates = [Candidate(item.best) for item in items]
        self.progress = progress
        self.vectors = np.array([item.vector for item in items], np.int64)
        self.places = index.places(self.vectors.tolist())
        in_reference = np.flatnonzero([item.best.in_reference for item in items])
        self.anchors = in_reference if referenced else None
        files = [item.best.source if item.best.exists else None for item in items]
        self.pictures = PicturePairs(files, self.cosines)
        self.phone_edits = np.array([item.best.original is not None for item in items], np.bool_)
        # Of a RAW file, only the preview could be compared.
        self.raw = np.array([is_raw_name(item.best.row.path) for item in items], np.bool_)

    def identical(self, item: Content) -> DuplicateGroup | None:
        """Return the group of one content, or None if only one file has it."""
        others = item.files[1:]
        if self.anchors is not None:
            others = [f for f in others if item.best.in_reference and not f.in_reference]
        if not others:
            return None
        return DuplicateGroup(
            kind="identical",
            keep=item.best.path,
            reason=self.rule.reason(Candidate(item.best), Candidate(others[0])),
            paths=(item.best.path, *(file.path for file in others)),
            similarities=(1.0,) * (1 + len(others)),
            redundant=tuple(file.path for file in others if file.exists),
            verified=True,
            sha256=(item.best.row.digest.hex(),) * (1 + len(others)),
        )

    def near_identical(self) -> list[Items]:
        """Return groups [hub, members...] of items that show one unchanged picture."""
        pairs, cosines = self.proposed(self.places, None, MIN_COSINE)
        comparable = ~self.raw[pairs].any(1)
        pairs, cosines = pairs[comparable], cosines[comparable]
        found = relations_of(pairs, cosines, self.pictures, self._likely_kept, self.progress)
        self.one_picture = pairs[found != DIFFERENT]
        links = pairs[(found == UNEDITED) & np.equal(*self.phone_edits[pairs].T)]
        return self.of_one_picture(links, self.unedited)

    def edited(self, near: Sequence[Items]) -> list[Items]:
        """Return groups [hub, members...] of items that show one picture, without the members of
        the groups `near`.

        A pair proposed for a member stands for its hub.
        """
        hub_of = np.arange(len(self.items))
        for group in near:
            hub_of[group] = group[0]
        pairs = np.sort(hub_of[self.one_picture], 1)
        pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
        links = pairs[self.pictures.same(pairs, self.progress)]
        return self.of_one_picture(links, self.pictures.same, _members(near))

    def of_one_picture(self, links: Pairs, test: Test, taken: Items = NO_ITEMS) -> list[Items]:
        """Return groups [hub, members...] of items; these links and each pair in a group pass the
        test."""

        def more(hubs: Items, left: Items) -> Pairs:
            among = np.setdiff1d(left, taken)
            pairs, _ = self.proposed(self.places[hubs], among, MIN_COSINE)
            return pairs[~self.raw[pairs].any(1)]

        return self._grouped(links, test, more)

    def unedited(self, pairs: Pairs, progress: Progress | None) -> npt.NDArray[np.bool_]:
        """Return whether each pair shows one picture that neither pixels nor names call edited."""
        by_name: npt.NDArray[np.bool_] = np.equal(*self.phone_edits[pairs].T)
        return self.pictures.unedited(pairs, progress) & by_name

    def similar(self, taken: Items, least: float) -> list[Items]:
        """Return groups [hub, members...] of items with at least the cosine `least` to their hub,
        without the items taken."""
        remaining = np.setdiff1d(np.arange(len(self.items)), taken)
        links, _ = self.proposed(self.places[remaining], remaining, least)

        def more(hubs: Items, left: Items) -> Pairs:
            return self.proposed(self.places[hubs], np.intersect1d(left, remaining), least)[0]

        return self._grouped(links, lambda p, _: self.cosines(p) >= least, more)

    def _grouped(
        self, links: Pairs, test: Test, more: Callable[[Items, Items], Pairs]
    ) -> list[Items]:
        """Group linked items, and search again for hubs whose neighbours were all near.

        A search returns at most NEIGHBOURS neighbours of an image. Further searches, in which only
        its hub represents a group, find the others.
        """

        def near(hub: int, others: Items) -> npt.NDArray[np.bool_]:
            return test(np.stack([np.full_like(others, hub), others], 1), None)

        seen = set(map(tuple, links.tolist()))
        while True:
            groups = star_groups(links, self._rank(links), near, anchors=self.anchors)
            full = np.bincount(links.ravel(), minlength=len(self.items)) >= NEIGHBOURS
            hubs = np.array([g[0] for g in groups if full[g].any()], np.int64)
            if not hubs.size:
                return groups
            left = np.setdiff1d(np.arange(len(self.items)), _members(groups))
            new = [pair for pair in map(tuple, more(hubs, left).tolist()) if pair not in seen]
            seen.update(new)
            fresh = np.array(new, np.int64).reshape(-1, 2)
            fresh = fresh[test(fresh, self.progress)]
            if not fresh.size:
                return groups
            links = np.concatenate([links, fresh])

    def proposed(
        self, queries: npt.NDArray[np.void], among: Items | None, least: float
    ) -> tuple[Pairs, npt.NDArray[np.float32]]:
        """Return pairs (p, 2) of items and their cosines (p,): each query and its nearest, of all
        items or of `among`."""
        searcher = open_searcher(self.index, no_centre(self.index.dim))
        pairs, cosines = [np.empty((0, 2), np.int64)], [np.empty(0, np.float32)]
        done = 0
        for ids, rows in self.index.blocks_at(queries):
            if among is None:
                similarities, found = searcher.nearest(rows, NEIGHBOURS + 1)
            else:
                blocks = self.index.blocks_at(self.places[among])
                similarities, found = nearest(rows, blocks, NEIGHBOURS + 1)
            one = np.broadcast_to(self._item(ids)[:, None], found.shape)
            other = self._item(found)
            good = (other >= 0) & (one != other) & (similarities >= least)
            pairs.append(np.sort(np.stack([one[good], other[good]], 1), 1))
            cosines.append(similarities[good])
            done += len(ids)
            if self.progress:
                self.progress(done, len(queries), stage="comparing vectors")
        unique, first = np.unique(np.concatenate(pairs), axis=0, return_index=True)
        return unique, np.concatenate(cosines)[first]

    def _item(self, vectors: Items) -> Items:
        """Return the items of vector ids, -1 if there is no vector or all its files changed."""
        where = np.searchsorted(self.vectors, vectors).clip(max=len(self.vectors) - 1)
        return np.where(self.vectors[where] == vectors, where, -1)

    def cosines(self, pairs: Pairs) -> npt.NDArray[np.float32]:
        """Return the cosine (p,) of each pair of items."""
        found = np.empty(len(pairs), np.float32)
        for start in range(0, len(pairs), 1024):
            part = slice(start, start + 1024)
            items, where = np.unique(pairs[part], return_inverse=True)
            rows = self.index.rows_at(self.places[items])
            one, other = rows[where.reshape(-1, 2)].transpose(1, 0, 2)
            found[part] = np.einsum("pd,pd->p", one, other).clip(-1, 1)
        return found

    def group(self, kind: str, members: Items) -> DuplicateGroup:
        """Return the group of files for the items [hub, members...]."""
        hub, others = members[0], members[1:]
        cosines = self.cosines(np.stack([np.full_like(others, hub), others], 1))
        others = others[np.argsort(-cosines, kind="stable")]
        best = self.items[hub].best
        files = [self.items[i].best for i in others]
        second = min(others.tolist(), key=self._keep_order)
        return DuplicateGroup(
            kind=kind,
            keep=best.path,
            reason=self.rule.reason(self.candidates[hub], self.candidates[second]),
            paths=(best.path, *(file.path for file in files)),
            similarities=(1.0, *(float(c) for c in -np.sort(-cosines))),
            redundant=tuple(f.path for f in files if f.exists and kind == "near-identical"),
            verified=kind == "similar" or all(map(self.pictures.is_readable, members)),
            sha256=tuple(file.row.digest.hex() for file in (best, *files)),
        )

    def _rank(self, links: Pairs) -> Items:
        """Return the rank of each linked item, the best to keep first; other items come last."""
        rank = np.full(len(self.items), len(self.items), np.int64)
        linked = np.unique(links)
        unread = [item for item in linked.tolist() if not self.pictures.is_readable(item)]
        self.pictures.read_files(np.array(unread, np.int64), self.progress)
        component = connected_components(links, len(self.items))[links[:, 0]]
        order = np.argsort(component, kind="stable")
        for inside in np.split(links[order], np.flatnonzero(np.diff(component[order])) + 1):
            group = {
                item: replace(self.candidates[item], metadata=self.pictures.metadata[item])
                for item in np.unique(inside).tolist()
            }
            compared = compare_in_group(group, inside, self.pictures.is_derived)
            for item, candidate in compared.items():
                self.candidates[item] = candidate
        for place, item in enumerate(sorted(linked.tolist(), key=self._keep_order)):
            rank[item] = place
        return rank

    def _likely_kept(self, items: Items) -> int:
        return self.rule.first_by_file({item: self.candidates[item] for item in items.tolist()})

    def _keep_order(self, item: int) -> tuple[object, ...]:
        return self.rule.order(self.candidates[item])


def _members(groups: Sequence[Items]) -> Items:
    """Return the items of groups [hub, members...] that are no hubs."""
    return np.concatenate([NO_ITEMS, *(group[1:] for group in groups)])
