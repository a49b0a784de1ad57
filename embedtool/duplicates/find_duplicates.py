"""`find_duplicates`: find groups of images that show the same picture, and choose which to keep.

The nearest neighbours of each vector propose pairs, and the pixels decide. Each group is a star:
every member was compared with the kept image, so a chain of small changes does not grow into one
large group.
"""

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedtool.core.types import PathLike, Progress
from embedtool.duplicates.files_by_content import Content, File, read_contents
from embedtool.duplicates.picture_pairs import Pairs, PicturePairs
from embedtool.duplicates.results import DuplicateGroup, Duplicates
from embedtool.duplicates.star_groups import Items, Near, star_groups
from embedtool.search.centre import no_centre
from embedtool.search.exact import check_similarity, nearest
from embedtool.search.searcher import open_searcher
from embedtool.store.reader import IndexReader

NEIGHBOURS = 8  # pairs proposed for each image: a copy is among the first few
MIN_COSINE = (
    0.5  # of a pair to compare: every re-encoding, resize and crop that was measured is above it
)
Test = Callable[[Pairs], npt.NDArray[np.bool_]]


def find_duplicates(
    index: IndexReader,
    *,
    min_similarity: float | None = None,
    reference: PathLike | None = None,
    progress: Progress | None = None,
) -> Duplicates:
    """Find groups of images that show the same picture.

    Kinds: "identical" images have the same bytes. "near-identical" ones are one picture that was
    re-encoded, resized or lightly cropped, as their pixels show. "similar" ones have at least the
    cosine min_similarity to the kept image; without min_similarity there are none. Only the kept
    file of an identical group can be in a near-identical one, and only the kept image of that in a
    similar one. So an image is in at most one group of each kind, and is redundant in at most one.
    The image with more pixels is kept, then the larger file, the older one, the first by path. With
    a reference folder, its images are kept, and each group has one image in it and at least one
    outside. Files that changed since they were indexed are left out. If a file is gone, its vector
    decides, and `verified` is False.
    Raises UsageError (no image in the index or in the reference folder, min_similarity out of
    range).
    """
    check_similarity(min_similarity)
    with index.snapshot():
        items, notes = read_contents(index, reference)
        search = _Search(index, items, reference is not None, progress)
        found = [*map(search.identical, items)]
        near = search.near_identical()
        found += [search.group("near-identical", group) for group in near]
        if min_similarity is not None:
            members = np.concatenate([np.empty(0, np.int64), *(group[1:] for group in near)])
            similar = search.similar(members, min_similarity)
            found += [search.group("similar", group) for group in similar]
        groups = [group for group in found if group is not None]
        kinds = ["identical", "near-identical", "similar"]
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
        progress: Progress | None,
    ) -> None:
        self.index = index
        self.items = items
        self.progress = progress
        self.vectors = np.array([item.vector for item in items], np.int64)
        self.places = index.places(self.vectors.tolist())
        in_reference = np.flatnonzero([item.best.in_reference for item in items])
        self.anchors = in_reference if referenced else None
        files = [item.best.source if item.best.exists else None for item in items]
        self.pictures = PicturePairs(files, self.cosines)

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
            reason=_reason(item.best, others[0], (0, 0), (0, 0)),
            paths=(item.best.path, *(file.path for file in others)),
            similarities=(1.0,) * (1 + len(others)),
            redundant=tuple(file.path for file in others if file.exists),
            verified=True,
        )

    def near_identical(self) -> list[Items]:
        """Return groups [hub, members...] of items that show one picture."""
        pairs = self.proposed(self.places, None, MIN_COSINE)
        pictures = self.pictures

        def near(hub: int, others: Items) -> npt.NDArray[np.bool_]:
            return pictures.same(np.stack([np.full_like(others, hub), others], 1))

        def more(hubs: Items, remaining: Items) -> Pairs:
            proposed = self.proposed(self.places[hubs], remaining, MIN_COSINE)
            return pictures.untested(proposed)

        return self._grouped(pairs, lambda p: pictures.same(p, self.progress), near, more)

    def similar(self, taken: Items, least: float) -> list[Items]:
        """Return groups [hub, members...] of items with at least the cosine `least` to their hub,
        without the items taken."""
        remaining = np.setdiff1d(np.arange(len(self.items)), taken)
        pairs = self.proposed(self.places[remaining], remaining, least)
        seen = set(map(tuple, pairs.tolist()))

        def near(hub: int, others: Items) -> npt.NDArray[np.bool_]:
            return self.cosines(np.stack([np.full_like(others, hub), others], 1)) >= least

        def more(hubs: Items, left: Items) -> Pairs:
            found = self.proposed(self.places[hubs], np.intersect1d(left, remaining), least)
            new = [pair for pair in map(tuple, found.tolist()) if pair not in seen]
            seen.update(new)
            return np.array(new, np.int64).reshape(-1, 2)

        return self._grouped(pairs, lambda p: np.ones(len(p), np.bool_), near, more)

    def _grouped(
        self, pairs: Pairs, test: Test, near: Near, more: Callable[[Items, Items], Pairs]
    ) -> list[Items]:
        """Group the pairs, and search again for hubs whose neighbours were all near.

        A search returns at most NEIGHBOURS neighbours of an image. Further searches, in which only
        its hub represents a group, find the others.
        """
        links = pairs[test(pairs)]
        while True:
            groups = star_groups(links, self._rank(links), near, anchors=self.anchors)
            full = np.bincount(links.ravel(), minlength=len(self.items)) >= NEIGHBOURS
            hubs = np.array([g[0] for g in groups if full[g].any()], np.int64)
            if not hubs.size:
                return groups
            members = np.concatenate([group[1:] for group in groups])
            found = more(hubs, np.setdiff1d(np.arange(len(self.items)), members))
            fresh = found[test(found)]
            if not fresh.size:
                return groups
            links = np.concatenate([links, fresh])

    def proposed(self, queries: npt.NDArray[np.void], among: Items | None, least: float) -> Pairs:
        """Return pairs (p, 2) of items: each query and its nearest, of all items or of `among`."""
        searcher = open_searcher(self.index, no_centre(self.index.dim))
        pairs = [np.empty((0, 2), np.int64)]
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
            done += len(ids)
            if self.progress:
                self.progress(done, len(queries), stage="comparing vectors")
        return np.unique(np.concatenate(pairs), axis=0)

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
            reason=_reason(
                best,
                self.items[second].best,
                tuple(self.pictures.sizes[hub].tolist()),
                tuple(self.pictures.sizes[second].tolist()),
            ),
            paths=(best.path, *(file.path for file in files)),
            similarities=(1.0, *(float(c) for c in -np.sort(-cosines))),
            redundant=tuple(f.path for f in files if f.exists and kind != "similar"),
            verified=kind == "similar" or all(map(self.pictures.is_readable, members)),
        )

    def _rank(self, links: Pairs) -> Items:
        """Return the rank of each linked item, the best to keep first; other items come last."""
        rank = np.full(len(self.items), len(self.items), np.int64)
        linked = np.unique(links)
        self.pictures.read_files(linked, self.progress)
        for place, item in enumerate(sorted(linked.tolist(), key=self._keep_order)):
            rank[item] = place
        return rank

    def _keep_order(self, item: int) -> tuple[object, ...]:
        file = self.items[item].best
        width, height = self.pictures.sizes[item].tolist()
        return (
            not file.in_reference,
            not file.exists,
            -width * height,
            -file.row.size,
            file.row.mtime_ns,
            os.fsencode(file.path),
        )


def _reason(keep: File, other: File, size: tuple[int, ...], other_size: tuple[int, ...]) -> str:
    """Return why the kept file is preferred to the best of the others."""
    if keep.in_reference and not other.in_reference:
        return "in the reference folder"
    if keep.exists and not other.exists:
        return "the other file is gone"
    if size[0] * size[1] > other_size[0] * other_size[1]:
        return "more pixels, {}x{} over {}x{}".format(*size, *other_size)
    if keep.row.size > other.row.size:
        return f"larger file, {keep.row.size:,} over {other.row.size:,} bytes"
    if other.linked and not keep.linked:
        return "a file, and the other is a link"
    if keep.row.mtime_ns < other.row.mtime_ns:
        return f"older, {_date(keep)} over {_date(other)}"
    return "first by path"


def _date(file: File) -> str:
    time = datetime.fromtimestamp(file.row.mtime_ns / 1e9)
    return time.isoformat(" ", "milliseconds" if time.microsecond else "seconds")
