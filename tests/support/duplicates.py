"""Indexes whose vectors are directions in a plane, so that every cosine is known, groups, and file
systems without links."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from support.indexes import RECIPE

from embedtool.core.types import Source, Vectors, unit_rows
from embedtool.duplicates.files_by_content import read_contents
from embedtool.duplicates.find_duplicates import _Search
from embedtool.duplicates.keep_rule import Candidate, KeepRule
from embedtool.duplicates.results import DuplicateGroup
from embedtool.store.reader import IndexReader
from embedtool.store.writer import create


@dataclass(frozen=True)
class File:
    name: str
    angle: float = 0  # degrees, of the vector of its content
    data: bytes = b""  # its name by default
    date: int = 1_600_000_000


def index_of(folder: Path, *files: File, rows: Vectors | None = None) -> Path:
    """Write the files below folder/photos, and return an index of them.

    rows: the vectors of the contents, instead of the angles."""
    vectors: dict[bytes, float] = {}
    images = []
    root = folder / "photos"
    for file in files:
        path = root / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = file.data or file.name.encode()
        path.write_bytes(data)
        os.utime(path, (file.date, file.date))
        status = path.stat()
        source = Source(os.fsencode(root), file.name.encode(), status.st_size, status.st_mtime_ns)
        digest = hashlib.sha256(data).digest()
        images.append((source, digest))
        vectors.setdefault(digest, np.radians(file.angle))
    if rows is None:
        angles = np.array(list(vectors.values()))
        rows = unit_rows(np.stack([np.cos(angles), np.sin(angles)], 1))
    with create(
        folder / "index", model="fake", recipe=RECIPE, dim=rows.shape[1], golden=rows[[0, 0, 0]],
        created_by="test",
    ) as writer:  # fmt: skip
        writer.commit(
            vectors=list(zip(vectors, rows, strict=True)), images=images, renames=[], rejects=[]
        )
    return folder / "index"


@contextmanager
def search_in(index: Path) -> Iterator[_Search]:
    with IndexReader(index) as reader, reader.snapshot():
        rule = KeepRule("original")
        items, _ = read_contents(reader, None, lambda file: rule.order(Candidate(file)))
        yield _Search(reader, items, False, "original", None)


def group_of(*paths: Path, kind: str = "identical") -> DuplicateGroup:
    """Return a group of files, as they are now, of which the first is kept."""
    digests = tuple(
        hashlib.sha256(path.read_bytes() if path.is_file() else b"").hexdigest() for path in paths
    )
    return DuplicateGroup(kind, paths[0], "", paths, (1.0,) * len(paths), paths[1:], True, digests)


def forbid_links(patch: pytest.MonkeyPatch, code: int = errno.EXDEV) -> None:
    """Refuse hard links with an error number, by default as between two file systems."""

    def link(*_: object, **__: object) -> None:
        raise OSError(code, "no link")

    patch.setattr(os, "link", link)
