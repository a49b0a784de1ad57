"""The writing half of the store: one writer, whole commits.

The commit protocol is told in `embedtool.store`.
"""

import hashlib
import io
import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedtool.errors import EmbedtoolError, IndexLocked, NotAnIndex
from embedtool.files import sync_folder, write_whole
from embedtool.layout import (
    APPLICATION_ID,
    FORMAT,
    SCHEMA,
    Refusal,
    Segment,
    connect,
    exists,
    segment_file,
)
from embedtool.store import Index
from embedtool.types import PathLike, Recipe, Source, Vectors

SEGMENT_NAME = re.compile(r"\d{6,}\.npy(\.new)?")  # what a sweep may remove


class Writer(Index):
    """The one writer of an index. Raises IndexLocked at once where there is another."""

    def __init__(self, path: PathLike, *, lock: int | None = None) -> None:
        self._lock = _lock(Path(path)) if lock is None else lock
        try:
            super().__init__(path)
            self._sweep()
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        super().close()
        os.close(self._lock)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._faults():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite ends it by itself on a full disk
                    self._db.execute("ROLLBACK")
                raise

    def absorb(self, root: bytes) -> None:
        """Make `root` the root of all that stands below it, so that one file has one name."""
        prefix = root.rstrip(b"/") + b"/"
        inner = [path for path in self.roots() if path.startswith(prefix) and path != root]
        if not inner:
            return
        with self.transaction():
            new = self._root_id(root)
            for path in inner:
                old = self._root_id(path)
                below = path[len(prefix) :] + b"/"
                for table in ("images", "rejects"):
                    self._db.execute(
                        f"UPDATE {table} SET root = ?, path = CAST(? || path AS BLOB) "
                        "WHERE root = ?",
                        (new, below, old),
                    )
                self._db.execute("DELETE FROM roots WHERE id = ?", (old,))

    def commit(
        self,
        *,
        vectors: Sequence[tuple[bytes, npt.NDArray[np.float32]]],
        images: Sequence[tuple[Source, bytes]],
        renames: Sequence[tuple[int, Source]],
        rejects: Sequence[tuple[Source, str, str]],
    ) -> None:
        """Make one batch visible, all or nothing.

        vectors: (digest, unit row (d,)) of contents not stored yet; images: (file, digest);
        renames: (id of an image whose file is gone, where it stands now); rejects: (file, stage,
        reason).
        """
        segment = self._write_segment([row for _, row in vectors]) if vectors else None
        with self.transaction():
            if segment:
                self._db.execute(
                    "INSERT INTO segments VALUES (?, ?, ?, ?)",
                    (segment.id, segment.rows, segment.bytes, segment.sha256),
                )
                self._db.executemany(
                    "INSERT INTO vectors (digest, segment, row) VALUES (?, ?, ?)",
                    [(digest, segment.id, row) for row, (digest, _) in enumerate(vectors)],
                )
            roots = {
                file.root: self._root_id(file.root)
                for file in (
                    *(f for f, _ in images),
                    *(f for _, f in renames),
                    *(r[0] for r in rejects),
                )
            }
            self._db.executemany(
                "UPDATE images SET root = ?, path = ?, size = ?, mtime_ns = ? WHERE id = ?",
                [(roots[f.root], f.path, f.size, f.mtime_ns, id) for id, f in renames],
            )
            self._db.executemany(
                "INSERT INTO images (root, path, size, mtime_ns, vector) "
                "VALUES (?, ?, ?, ?, (SELECT id FROM vectors WHERE digest = ?)) "
                "ON CONFLICT (root, path) DO UPDATE SET size = excluded.size, "
                "mtime_ns = excluded.mtime_ns, vector = excluded.vector",
                [(roots[f.root], f.path, f.size, f.mtime_ns, digest) for f, digest in images],
            )
            self._db.executemany(
                "DELETE FROM images WHERE root = ? AND path = ?",
                [(roots[f.root], f.path) for f, _, _ in rejects],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO rejects VALUES (?, ?, ?, ?, ?, ?)",
                [(roots[f.root], f.path, f.size, f.mtime_ns, *why) for f, *why in rejects],
            )
            self._db.execute(
                "DELETE FROM rejects WHERE EXISTS (SELECT 1 FROM images i "
                "WHERE i.root = rejects.root AND i.path = rejects.path)"
            )

    def has_orphans(self) -> bool:
        """Whether a vector is held by no image: an interrupted run may leave some."""
        with self._faults():
            found = self._db.execute(
                "SELECT EXISTS (SELECT 1 FROM vectors v WHERE NOT EXISTS "
                "(SELECT 1 FROM images WHERE vector = v.id))"
            ).fetchone()
        return bool(found[0])

    def drop(self, images: Iterable[int], refusals: Iterable[Refusal]) -> None:
        """Remove images by id, rejects, and every vector that no image holds any more."""
        with self.transaction():
            self._db.executemany("DELETE FROM images WHERE id = ?", [(id,) for id in images])
            self._db.executemany(
                "DELETE FROM rejects WHERE path = ? AND "
                "root = (SELECT id FROM roots WHERE path = ?)",
                [(x.path, x.root) for x in refusals],
            )
            self._db.execute(
                "DELETE FROM vectors WHERE NOT EXISTS "
                "(SELECT 1 FROM images WHERE vector = vectors.id)"
            )

    def _root_id(self, root: bytes) -> int:
        self._db.execute("INSERT OR IGNORE INTO roots (path) VALUES (?)", (root,))
        found = self._db.execute("SELECT id FROM roots WHERE path = ?", (root,)).fetchone()
        return int(found[0])

    def _write_segment(self, rows: Sequence[npt.NDArray[np.float32]]) -> Segment:
        with self._faults():
            last = self._db.execute("SELECT coalesce(max(id), 0) FROM segments").fetchone()[0]
        file = segment_file(self.path, last + 1)
        stored = np.stack(rows).astype("<f2")
        content = io.BytesIO()  # np.save into a file hides why a write fell short
        np.save(content, stored, allow_pickle=False)
        with write_whole(file) as opened:
            opened.write(content.getbuffer())
        with open(file, "rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return Segment(last + 1, len(stored), file.stat().st_size, digest)

    def _sweep(self) -> None:
        """Remove what a crash left: files under vectors/ that no catalogue row names."""
        named = {segment_file(self.path, s.id).name for s in self.segments()}
        folder = self.path / "vectors"
        if not folder.is_dir():
            if named:
                raise self._damaged(f"{folder} is missing")
            folder.mkdir()
        for file in folder.iterdir():
            if SEGMENT_NAME.fullmatch(file.name) and file.name not in named:
                file.unlink()


def create(
    path: PathLike,
    *,
    model: str,
    recipe: Recipe,
    dim: int,
    golden: Vectors,
    created_by: str,
) -> Writer:
    """Make an empty index and return its writer.

    golden: the embedder's rows (3, d) of the golden images, for `doctor`. The catalogue appears
    under its name only once it is whole.
    """
    path = Path(path)
    vectors = path / "vectors"
    if path.exists() and not path.is_dir():
        raise NotAnIndex(f"expected a folder for the index, {path} is a file")
    if vectors.is_dir() and any(vectors.iterdir()):
        raise NotAnIndex(
            f"{vectors} holds files that are no index of ours: name another folder with --index"
        )
    vectors.mkdir(parents=True, exist_ok=True)
    lock = _lock(path)
    try:
        if exists(path):
            raise IndexLocked(f"another embedtool made {path} just now: run this again")
        _write_catalogue(
            path / "catalog.sqlite",
            {
                "model": model,
                "fingerprint": recipe.fingerprint,
                "recipe": json.dumps(asdict(recipe)),
                "dim": dim,
                "golden": np.ascontiguousarray(golden, "<f4").tobytes(),
                "created_by": created_by,
            },
        )
    except BaseException:
        os.close(lock)
        raise
    return Writer(path, lock=lock)


def _write_catalogue(file: Path, meta: dict[str, object]) -> None:
    """Make an empty catalogue that appears under its name whole."""
    draft = file.with_name(file.name + ".new")
    journal = file.with_name(draft.name + "-journal")
    journal.unlink(missing_ok=True)
    draft.unlink(missing_ok=True)
    try:
        with closing(connect(draft)) as db:
            db.executescript(SCHEMA)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {FORMAT}")
            db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        os.replace(draft, file)
    except sqlite3.Error as error:
        journal.unlink(missing_ok=True)
        draft.unlink(missing_ok=True)
        raise EmbedtoolError(
            f"cannot write {file}: {error}. Free some space, or name another folder with --index"
        ) from error
    sync_folder(file.parent)


def _lock(path: Path) -> int:
    """Take the writer's lock; the operating system frees it when the process ends."""
    if not path.is_dir():
        raise NotAnIndex(f"expected an index folder, found none at {path}")
    handle = os.open(path / "writer.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError as error:
        os.close(handle)
        raise IndexLocked(
            f"another embedtool is writing to {path}. Wait for it to end, then run this again"
        ) from error
    return handle
