"""Bring an index up to date: find changed photos; read, decode and embed them; commit.

Batches are committed every few seconds, so an interrupted run loses only seconds, and the next one
continues where it stopped. Nothing is removed before everything new has been stored.
"""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from embedtool.collection.results import IndexReport
from embedtool.core.types import Progress, Source, Vectors
from embedtool.errors import ModelMismatch, PhotosMissing
from embedtool.images.listing import Listing, list_photos, require_images
from embedtool.search.refresh import refresh_search_index
from embedtool.store.layout import DECODING_RECORD, RejectRow, Row
from embedtool.store.writer import Writer

if TYPE_CHECKING:
    from embedtool.models.embed_files import Outcome
    from embedtool.models.embedder import Embedder
COMMIT_SECONDS = 3.0  # the most work that is lost if the run is killed
COMMIT_ROWS = 1024


def sync(
    index: Writer,
    photos: Sequence[str | os.PathLike[str]],
    open_embedder: Callable[[], "Embedder"],
    *,
    workers: int | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> IndexReport:
    """Bring an index up to date with the photos.

    open_embedder is called only if something must be embedded. Raises PhotosMissing, with nothing
    changed, if a folder that had images is missing or has none: a disk that is not mounted must not
    empty an index.
    """
    start = time.monotonic()
    listing = list_photos(photos, index.roots())
    _check_not_emptied(index, listing)
    for scope in listing.scopes:
        if not scope.is_file:
            index.merge_inner_roots(scope.root)
    plan = _plan(index, listing)
    embedding = time.monotonic()
    embedder: Embedder | None = None
    if plan.pending:
        from embedtool.models.embed_files import embed_files

        run = _Run(index, plan)
        embedder = open_embedder()
        if embedder.fingerprint != index.fingerprint:
            raise ModelMismatch(
                f"expected a network with fingerprint {index.fingerprint[:12]}, as in "
                f"{index.path}, received {embedder.fingerprint[:12]}. Index into another folder "
                "with --index"
            )
        outcomes = embed_files(
            plan.pending,
            embedder,
            known=index.digests(),
            workers=workers,
            batch_size=batch_size,
            record=index.path / DECODING_RECORD,
        )
        embedding = time.monotonic()
        try:
            for done, outcome in enumerate(outcomes, 1):
                run.take(outcome)
                if progress:
                    run.report(progress, done)
            run.commit()
        except KeyboardInterrupt:
            run.commit()
            raise
    else:
        _remove_decoding_record(index)
    gone = [row.id for rows in plan.gone.values() for row in rows]
    if plan.pending or gone or plan.stale_rejects or index.has_orphans():
        index.drop(gone, plan.stale_rejects)
    end = time.monotonic()

    def unrelated(fingerprint: str, dim: int) -> Vectors | None:
        from embedtool.models.unrelated_vectors import unrelated_vectors

        return unrelated_vectors(fingerprint, dim, embedder)

    refresh_search_index(index, unrelated=unrelated, progress=progress)
    return IndexReport(
        index=index.path,
        model=index.model,
        **{name: plan.counts[name] for name in KINDS},
        removed=len(gone),
        total=len(listing.files),
        seconds=end - start,
        images_per_second=plan.counts["embedded"] / max(end - embedding, 1e-9),
        notes=tuple(_notes(index, listing, plan)),
    )


KINDS = ("added", "updated", "renamed", "unchanged", "duplicates", "rejected")


@dataclass
class _Plan:
    """The work that results from comparing the catalogue with the listing."""

    pending: list[Source] = field(default_factory=list)
    stored: dict[tuple[bytes, bytes], Row] = field(default_factory=dict)  # rows of changed files
    gone: dict[bytes, list[Row]] = field(default_factory=lambda: defaultdict(list))  # by digest
    moved: dict[bytes, list[Row]] = field(default_factory=lambda: defaultdict(list))  # root gone
    stale_rejects: list[RejectRow] = field(default_factory=list)  # the file is gone
    unreadable: list[tuple[Source, str]] = field(default_factory=list)  # (file, reason)
    counts: Counter[str] = field(default_factory=Counter)


def _plan(index: Writer, listing: Listing) -> _Plan:
    plan = _Plan()
    rows = {(row.root, row.path): row for row in index.rows()}
    reject_rows = {(x.root, x.path): x for x in index.reject_rows()}
    for file in listing.files:
        place = (file.root, file.path)
        row, reject_row = rows.pop(place, None), reject_rows.pop(place, None)
        if row and (row.size, row.mtime_ns) == (file.size, file.mtime_ns):
            plan.counts["unchanged"] += 1
        elif (
            reject_row
            and (reject_row.size, reject_row.mtime_ns) == (file.size, file.mtime_ns)
            and reject_row.stage != "read"  # permissions can change without a new size or time
        ):
            plan.counts["rejected"] += 1
        else:
            plan.pending.append(file)
            if row:
                plan.stored[place] = row
    root_stands = cache(os.path.isdir)
    for place, row in rows.items():
        if listing.holds(*place):
            plan.gone[row.digest].append(row)
        elif not root_stands(row.root):
            plan.moved[row.digest].append(row)
    plan.stale_rejects = [x for place, x in reject_rows.items() if listing.holds(*place)]
    return plan


class _Run:
    """A run that collects outcomes and commits them in batches."""

    def __init__(self, index: Writer, plan: _Plan) -> None:
        self.index = index
        self.plan = plan
        self._clear()

    def _clear(self) -> None:
        self.vectors: list[tuple[bytes, npt.NDArray[np.float32]]] = []
        self.images: list[tuple[Source, bytes]] = []
        self.renames: list[tuple[int, Source]] = []
        self.rejects: list[tuple[Source, str, str]] = []
        self.since = time.monotonic()

    def take(self, outcome: "Outcome") -> None:
        file, digest = outcome.source, outcome.digest
        old = self.plan.stored.get((file.root, file.path))
        if outcome.reject and outcome.reject.stage == "read" and old:
            # The disk or the permission is missing, not the image: keep the vector.
            self.plan.unreadable.append((file, outcome.reject.reason))
            kind = "unchanged"
        elif outcome.reject:
            self.rejects.append((file, outcome.reject.stage, outcome.reject.reason))
            kind = "rejected"
        elif outcome.vector is None and old is None and (row := self._row_of_missing_file(digest)):
            self.renames.append((row.id, file))
            kind = "renamed"
        else:
            self.images.append((file, digest))
            if outcome.vector is not None:
                self.vectors.append((digest, outcome.vector))
                self.plan.counts["embedded"] += 1
                kind = "updated" if old else "added"
            elif old:
                kind = "unchanged" if old.digest == digest else "updated"
            else:
                kind = "duplicates"
        self.plan.counts[kind] += 1
        rows = len(self.images) + len(self.renames) + len(self.rejects)
        if rows >= COMMIT_ROWS or time.monotonic() - self.since > COMMIT_SECONDS:
            self.commit()

    def report(self, progress: Progress, done: int) -> None:
        """Report progress. If that raises, which cancels the run, first commit what is done."""
        rejected = self.plan.counts["rejected"]
        try:
            progress(done, len(self.plan.pending), stage="indexing", rejected=rejected)
        except BaseException:
            self.commit()
            raise

    def _row_of_missing_file(self, digest: bytes) -> Row | None:
        """Return a row of this content whose file or root is gone, or None."""
        for rows in (self.plan.gone.get(digest), self.plan.moved.get(digest)):
            if rows:
                return rows.pop(0)
        return None

    def commit(self) -> None:
        batch = (self.vectors, self.images, self.renames, self.rejects)
        self._clear()  # first: an interrupt after the commit must not commit the batch again
        vectors, images, renames, rejects = batch
        self.index.commit(vectors=vectors, images=images, renames=renames, rejects=rejects)


def _check_not_emptied(index: Writer, listing: Listing) -> None:
    """Raise PhotosMissing if a folder that has images in the index has none now."""
    areas = {os.path.join(s.root, s.path).rstrip(b"/") for s in listing.scopes if not s.is_file}
    areas |= {root for root in index.roots() if any(root.startswith(a + b"/") for a in areas)}
    for area in sorted(areas):
        below = area + b"/"
        if any(os.path.join(f.root, f.path).startswith(below) for f in listing.files):
            continue
        lost = sum(os.path.join(row.root, row.path).startswith(below) for row in index.rows())
        if lost:
            raise PhotosMissing(
                f"{os.fsdecode(area)} has no images, but {lost} of its images are in "
                f"{index.path}. Nothing was changed. Mount its disk and run this again; or, if the "
                f"images were deleted, delete {index.path} and index the remaining photos"
            )
    require_images(listing)


def _remove_decoding_record(index: Writer) -> None:
    """Remove the decoding record of a killed run: nothing is left to decode."""
    record = index.path / DECODING_RECORD
    if record.exists():
        from embedtool.images.quarantine import is_record

        if is_record(record.read_bytes()):
            record.unlink()


def _notes(index: Writer, listing: Listing, plan: _Plan) -> list[str]:
    notes = []
    for scope in listing.unreadable:
        count = sum(scope.holds(row.root, row.path) for row in index.rows())
        if count:
            notes.append(
                f"{scope} is empty or cannot be read: its {count} images stay in the index. "
                "Mount its disk, or delete the folder to remove them"
            )
    if plan.unreadable:
        file, reason = plan.unreadable[0]
        notes.append(
            f"{len(plan.unreadable)} files cannot be read and keep their stored vectors; the first "
            f"is {os.fsdecode(os.path.join(file.root, file.path))}: {reason}"
        )
    if listing.others:
        notes.append(f"{listing.others} other files are not images and were skipped")
    return notes
