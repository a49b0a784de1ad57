"""The writer of an index: one at a time, with atomic commits.

`store.reader` describes the commit protocol. Ids of vectors and segments are never reused (meta has
counters), so that an old derived file cannot mistake a new vector for an old one.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedtool.core.atomic_files import atomic_write
from embedtool.core.lock import acquire_lock
from embedtool.core.types import PathLike, Recipe, Source, Vectors
from embedtool.errors import IndexLocked, NotAnIndex
from embedtool.store.database import FORMAT, new_database
from embedtool.store.layout import (
    APPLICATION_ID,
    RejectRow,
    Segment,
    check_files,
    damaged,
    exists,
    segment_file,
)
from embedtool.store.leftovers import foreign_files, remove_stray_files
from embedtool.store.reader import IndexReader
from embedtool.store.seal import write_seal
from embedtool.store.segment_files import SegmentFiles
from embedtool.store.segments import Stored, row_checksums, write_segment
from embedtool.store.upgrade import upgrade_format_1


class Writer(IndexReader):
    """The only writer of an index. Raises IndexLocked at once if there is another."""

    def __init__(
        self, path: PathLike, *, files: SegmentFiles | None = None, lock: int | None = None
    ) -> None:
        check_files(Path(path))
        self._lock = acquire_lock(Path(path)) if lock is None else lock
        try:
            super().__init__(path, files=files)
            self._upgrade()
            self._remove_stray_files()
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        try:
            if not self._sealed:
                with self._sqlite_errors():
                    write_seal(self.path)
        finally:
            super().close()
            os.close(self._lock)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._sealed = False
        with self._sqlite_errors():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite itself ends it if the disk is full
                    self._db.execute("ROLLBACK")
                raise

    def merge_inner_roots(self, root: bytes) -> None:
        """Replace all roots below `root` by `root`, so that each file has one name."""
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
        """Commit one batch atomically.

        vectors: (digest, unit row (d,)) of contents not stored yet; images: (file, digest);
        renames: (id of an image whose file is gone, its new file); rejects: (file, stage, reason).
        """
        stored = np.array([row for _, row in vectors], "<f2")
        segment = self.write_segment([stored], len(stored)) if vectors else None
        with self.transaction():
            if segment:
                self.add_segment(segment)
                first = self._reserve_ids("next_vector", len(vectors))
                self._db.executemany(
                    "INSERT INTO vectors (id, digest, segment, row, crc) VALUES (?, ?, ?, ?, ?)",
                    [
                        (first + row, digest, segment.id, row, crc)
                        for row, ((digest, _), crc) in enumerate(
                            zip(vectors, row_checksums(stored).tolist(), strict=True)
                        )
                    ],
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
                "INSERT OR REPLACE INTO rejects (root, path, size, mtime_ns, stage, reason) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [(roots[f.root], f.path, f.size, f.mtime_ns, *why) for f, *why in rejects],
            )
            self._db.execute(
                "DELETE FROM rejects WHERE EXISTS (SELECT 1 FROM images i "
                "WHERE i.root = rejects.root AND i.path = rejects.path)"
            )

    def has_orphans(self) -> bool:
        """Return whether a vector has no image. An interrupted run can leave such vectors."""
        with self._sqlite_errors():
            found = self._db.execute(
                "SELECT EXISTS (SELECT 1 FROM vectors v WHERE NOT EXISTS "
                "(SELECT 1 FROM images WHERE vector = v.id))"
            ).fetchone()
        return bool(found[0])

    def drop(self, images: Iterable[int], rejects: Iterable[RejectRow]) -> None:
        """Remove images by id, rejects, and every vector that no longer has an image."""
        with self.transaction():
            self._db.executemany("DELETE FROM images WHERE id = ?", [(id,) for id in images])
            self._db.executemany(
                "DELETE FROM rejects WHERE path = ? AND "
                "root = (SELECT id FROM roots WHERE path = ?)",
                [(x.path, x.root) for x in rejects],
            )
            self._db.execute(
                "DELETE FROM vectors WHERE NOT EXISTS "
                "(SELECT 1 FROM images WHERE vector = vectors.id)"
            )

    def replace_segments(
        self, old: Sequence[Segment], new: Segment | None, vectors: Sequence[int]
    ) -> None:
        """Assign the rows of `new` to `vectors`, in order, and remove the segments `old`."""
        with self.transaction():
            if new:
                self.add_segment(new)
                self._db.executemany(
                    "UPDATE vectors SET segment = ?, row = ? WHERE id = ?",
                    [(new.id, row, id) for row, id in enumerate(vectors)],
                )
            self._db.executemany("DELETE FROM segments WHERE id = ?", [(s.id,) for s in old])
        self.forget_old_segments()
        for segment in old:
            # No reader uses an older version: the commit has waited for all of them.
            segment_file(self.path, segment.id).unlink(missing_ok=True)

    def vacuum(self) -> None:
        """Free the disk space of removed rows of the catalogue."""
        self._sealed = False
        with self._sqlite_errors():
            self._db.execute("VACUUM")

    def _root_id(self, root: bytes) -> int:
        self._db.execute("INSERT OR IGNORE INTO roots (path) VALUES (?)", (root,))
        found = self._db.execute("SELECT id FROM roots WHERE path = ?", (root,)).fetchone()
        return int(found[0])

    def _reserve_ids(self, counter: str, count: int) -> int:
        """Return the first of `count` ids that were never used. Call it inside a transaction."""
        found = self._db.execute("SELECT value FROM meta WHERE key = ?", (counter,)).fetchone()
        self._db.execute("UPDATE meta SET value = value + ? WHERE key = ?", (count, counter))
        return int(found[0])

    def write_segment(self, blocks: Iterable[Stored], rows: int) -> Segment:
        """Write the file of the next segment. `add_segment` then adds it to the index."""
        with self._sqlite_errors():
            number = self._db.execute(
                "SELECT value FROM meta WHERE key = 'next_segment'"
            ).fetchone()[0]
        return write_segment(self.path, number, blocks, rows=rows, dim=self.dim)

    def add_segment(self, segment: Segment) -> None:
        self._reserve_ids("next_segment", 1)
        self._db.execute(
            "INSERT INTO segments (id, rows, bytes, sha256) VALUES (?, ?, ?, ?)", astuple(segment)
        )

    def _upgrade(self) -> None:
        if self.format == FORMAT:
            return
        with self.transaction():
            upgrade_format_1(self, self._db)
        self.format = FORMAT

    def _remove_stray_files(self) -> None:
        """Remove unfinished files and those under vectors/ that no catalogue row names."""
        named = {segment_file(self.path, s.id).name for s in self.segments()}
        folder = self.path / "vectors"
        if not folder.is_dir():
            if named:
                raise damaged(self.path, f"{folder} is missing")
            folder.mkdir()
        remove_stray_files(self.path, named)


def create(
    path: PathLike,
    *,
    model: str,
    recipe: Recipe,
    dim: int,
    golden: Vectors,
    created_by: str,
    training_images: bytes | None = None,
) -> Writer:
    """Create an empty index and return its writer. The catalogue is written last, atomically.

    golden: vectors (3, d) of the reference images of `embedtool.models.golden`. training_images:
    the bytes of `embedtool.models.training_images.TrainingImages`, or None if they are not known.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise NotAnIndex(
            f"expected a folder for the index, but {path} is a file. Choose another path"
        )
    if foreign := foreign_files(path):
        raise NotAnIndex(
            f"expected a new or empty folder for the index, but {path} holds other files "
            f"({min(foreign).name}). Choose another folder with --index"
        )
    check_files(path)
    (path / "vectors").mkdir(parents=True, exist_ok=True)
    lock = acquire_lock(path)
    try:
        if exists(path):
            raise IndexLocked(
                f"another embedtool process just created {path}. Run the same command again"
            )
        shutil.rmtree(path / "derived", ignore_errors=True)  # from an earlier index: ids restart
        content = new_database(
            APPLICATION_ID,
            {
                "model": model,
                "fingerprint": recipe.fingerprint,
                "recipe": json.dumps(asdict(recipe)),
                "dim": dim,
                "golden": np.ascontiguousarray(golden, "<f4").tobytes(),
                "created_by": created_by,
                **({} if training_images is None else {"training_images": training_images}),
                "next_vector": 1,
                "next_segment": 1,
            },
        )
        with atomic_write(path / "catalog.sqlite") as file:
            file.write(content)
    except BaseException:
        os.close(lock)
        raise
    return Writer(path, lock=lock)
