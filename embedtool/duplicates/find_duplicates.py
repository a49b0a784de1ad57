"""`find_duplicates`: from an index to groups of images that show one picture, and which to keep.

The k nearest of every vector propose pairs; pixels decide. Each group is a star: every member has
been compared with the one that is kept, so no chain of small changes grows into one large group.
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
from embedtool.search.exact import check_similarity, nearest
from embedtool.search.searcher import open_searcher
from embedtool.store.reader import IndexReader

NEIGHBOURS = 8  # pairs proposed for each image: a copy is among the first few
MIN_COSINE = (
    0.5  # of a pair: every re-encoding, resize or crop measured has more, in either network
)
Test = Callable[[Pairs], npt.NDArray[np.bool_]]


def find_duplicates(
    index: IndexReader,
    *,
    min_similarity: float | None = None,
    reference: PathLike | None = None,
    progress: Progress | None = None,
) -> Duplicates:
    """Groups of images that show the same picture.

    Kinds: "identical" has the same bytes; "near-identical" is one picture re-encoded, resized or
    lightly cropped, which is decided on pixels; "similar", only with min_similarity, is at least
    this near the kept one in cosine. Of an identical group only the kept file stands in a
    near-identical one, and of that only the kept one in a similar one, so an image is in at most
    one group of a kind, and `redundant` in one group.
    Kept is what is larger in pixels, then in bytes, then older, then first by path. With a
    reference folder its images are kept, and groups are only those of an image in it and at least
    one outside. Files that changed since they were indexed are left out. Where a file is gone its
    vector decides, and `verified` is False.
    Raises UsageError (no image in the index or in the reference folder, a similarity that cannot
    be meant).
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
        """The group of one content that several files hold."""
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
        """Groups [hub, members...] of items that show one picture."""
        pairs = self.proposed(self.places, None, MIN_COSINE)
        pictures = self.pictures

        def near(hub: int, others: Items) -> npt.NDArray[np.bool_]:
            return pictures.same(np.stack([np.full_like(others, hub), others], 1))

        def more(hubs: Items, remaining: Items) -> Pairs:
            proposed = self.proposed(self.places[hubs], remaining, MIN_COSINE)
            return pictures.untested(proposed)

        return self._grouped(pairs, lambda p: pictures.same(p, self.progress), near, more)

    def similar(self, taken: Items, least: float) -> list[Items]:
        """Groups [hub, members...] of items, less those taken, that are this near their hub."""
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
        """Groups from pairs; hubs whose neighbours were all near are searched again.

        An image with more near ones than NEIGHBOURS does not see them all at once. The others are
        found once its group has become one item, its hub.
        """
        links = pairs[test(pairs)]
        while True:
            groups = star_groups(links, self._rank(links), near, anchors=self.anchors)
            full = np.bincount(links.ravel(), minlength=len(self.items)) >= NEIGHBOURS
            hubs = np.array([g[0] for g in groups if full[g].any()], np.int64)
            if not hubs.size:
                return groups
            members = np.concatenate([group[1:] for group in groups])
            found = more(np.sort(hubs), np.setdiff1d(np.arange(len(self.items)), members))
            fresh = found[test(found)]
            if not fresh.size:
                return groups
            links = np.concatenate([links, fresh])

    def proposed(self, queries: npt.NDArray[np.void], among: Items | None, least: float) -> Pairs:
        """Pairs (p, 2) of items: the nearest of each query, all of them or those among."""
        searcher = open_searcher(self.index)
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
        """The items of vector ids; -1 for a vector whose files all changed, or for none."""
        where = np.searchsorted(self.vectors, vectors).clip(max=len(self.vectors) - 1)
        return np.where(self.vectors[where] == vectors, where, -1)

    def cosines(self, pairs: Pairs) -> npt.NDArray[np.float32]:
        """The cosine (p,) of each pair of items."""
        found = np.empty(len(pairs), np.float32)
        for start in range(0, len(pairs), 1024):
            part = slice(start, start + 1024)
            items, where = np.unique(pairs[part], return_inverse=True)
            rows = self.index.rows_at(self.places[items])
            one, other = rows[where.reshape(-1, 2)].transpose(1, 0, 2)
            found[part] = np.einsum("pd,pd->p", one, other).clip(-1, 1)
        return found

    def group(self, kind: str, members: Items) -> DuplicateGroup:
        """The group of files of [hub, members...], which are items."""
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
        """The place of each linked item, the best to keep first; others come after them."""
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
    """What sets the kept file before the best of the others."""
    if keep.in_reference and not other.in_reference:
        return "in the reference folder"
    if keep.exists and not other.exists:
        return "the other file is gone"
    if size[0] * size[1] > other_size[0] * other_size[1]:
        return "more pixels, {}x{} over {}x{}".format(*size, *other_size)
    if keep.row.size > other.row.size:
        return f"larger file, {keep.row.size:,} over {other.row.size:,} bytes"
    if other.linked and not keep.linked:
        return "a file, the other a link"
    if keep.row.mtime_ns < other.row.mtime_ns:
        return f"older, {_date(keep)} over {_date(other)}"
    return "first by path"


def _date(file: File) -> str:
    time = datetime.fromtimestamp(file.row.mtime_ns / 1e9)
    return time.isoformat(" ", "milliseconds" if time.microsecond else "seconds")
