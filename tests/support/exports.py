"""Indexes for export tests, with odd file names or with copies, and what an export must say."""

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
from support.indexes import RECIPE, make_index

from embedtool.core.types import Source, Vectors, unit_rows
from embedtool.interchange.card import read_card
from embedtool.store.layout import Row
from embedtool.store.reader import BLOCK_ROWS, IndexReader
from embedtool.store.writer import Writer

DIM = 49
COUNT = 2 * BLOCK_ROWS + 300
ODD_NAMES = {  # row -> its path: not UTF-8, line breaks, a tab, a quote, both Unicode forms, U+FFFD
    3: b"\xff\xfe/caf\xe9.jpg",
    4: b"two\nlines.jpg",
    5: b"a\tb\r.jpg",
    6: b'quo"te/x.jpg',
    7: "caf\u00e9.jpg".encode(),
    8: "cafe\u0301.jpg".encode(),
    9: "\ufffd.jpg".encode(),
}


def fill_index(path: Path, count: int, names: dict[int, bytes]) -> None:
    """Images of two roots; 10 and 11 are copies of 1; 2 was embedded again after all others."""
    make_index(path)
    rows = unit_rows(np.random.default_rng(0).normal(size=(count + 1, DIM)))
    files = [
        Source(b"/r" if n % 2 else b"/r\xfb", names.get(n, b"label%d/%05d.jpg" % (n % 3, n)), n, -n)
        for n in range(count)
    ]
    digests = [b"%032d" % (1 if n in (10, 11) else n) for n in range(count + 1)]
    with Writer(path) as writer:
        for start in range(0, count, 700):
            part = range(start, min(start + 700, count))
            writer.commit(
                vectors=[(digests[n], rows[n]) for n in part if n not in (10, 11)],
                images=[(files[n], digests[n]) for n in part],
                renames=[],
                rejects=[],
            )
        again = digests[count]
        writer.commit(
            vectors=[(again, rows[count])], images=[(files[2], again)], renames=[], rejects=[]
        )
        writer.drop([], [])


@cache
def index_content(path: Path) -> tuple[list[Row], Vectors]:
    """What an index holds, image by image."""
    with IndexReader(path) as index:
        vectors = {
            row.id: vector
            for ids, block in index.blocks()
            for id, vector in zip(ids.tolist(), block, strict=True)
            for row in index.images_of([id])[id]
        }
        rows = list(index.rows())
        return rows, np.stack([vectors[row.id] for row in rows])


def full_path(row: Row) -> bytes:
    return os.path.join(row.root, row.path)


def make_copies(path: Path, files: list[Source]) -> None:
    """An index of these files, all of one content."""
    make_index(path)
    with Writer(path) as writer:
        writer.commit(
            vectors=[(b"d" * 32, unit_rows(np.ones((1, DIM)))[0])],
            images=[(file, b"d" * 32) for file in files],
            renames=[],
            rejects=[],
        )


def check_card(text: bytes | str, format: str) -> None:
    card = read_card(text, "the export")
    assert (card.format, card.model, card.recipe, card.dim) == (format, "fake", RECIPE, DIM)
    assert json.loads(text)["fingerprint"] == RECIPE.fingerprint
