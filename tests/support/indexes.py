"""Indexes of the mean-colour embedder."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from embedtool.collection.results import IndexReport
from embedtool.collection.sync import sync
from embedtool.core.types import Source, Vectors, unit_rows
from embedtool.models.embedder import Embedder, MeanColourEmbedder
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer, create

RECIPE = MeanColourEmbedder.recipe
DIM = MeanColourEmbedder.dim


def make_index(path: Path) -> None:
    fake = MeanColourEmbedder()
    golden = fake.embed(np.zeros((3, 32, 32, 3), np.uint8))
    create(
        path, model="fake", recipe=RECIPE, dim=fake.dim, golden=golden, created_by="test"
    ).close()


@pytest.fixture
def index(tmp_path: Path) -> Path:
    make_index(tmp_path / "index")
    return tmp_path / "index"


def fill(index: Path, count: int, start: int = 0) -> Vectors:
    """Add random vectors, each with one image of its own."""
    rows = unit_rows(np.random.default_rng(start).normal(size=(count, DIM)))
    sources = [Source(b"/r", b"%06d" % n, n, n) for n in range(start, start + count)]
    digests = [b"%032d" % n for n in range(start, start + count)]
    with Writer(index) as writer:
        writer.commit(
            vectors=list(zip(digests, rows, strict=True)),
            images=list(zip(sources, digests, strict=True)),
            renames=[],
            rejects=[],
        )
    return rows


def unused_embedder() -> MeanColourEmbedder:
    pytest.fail("the model was loaded")


def run(
    index: Path, *photos: Path | str, embedder: Callable[[], Embedder] = MeanColourEmbedder
) -> IndexReport:
    with Writer(index) as target:
        report = sync(target, photos, embedder)
    parts = ("added", "updated", "renamed", "unchanged", "duplicates", "rejected")
    assert sum(getattr(report, part) for part in parts) == report.total
    return report


def counts(report: IndexReport) -> dict[str, int]:
    names = ("added", "updated", "renamed", "removed", "unchanged", "duplicates", "rejected")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def content(index: Path) -> dict[str, bytes]:
    """Path -> vector, of everything a search could find."""
    found = {}
    with IndexReader(index) as opened, opened.snapshot():
        for ids, rows in opened.blocks():
            for id, row in zip(ids, rows, strict=True):
                for path in opened.paths_of(int(id)):
                    assert str(path) not in found
                    found[str(path)] = row.tobytes()
        assert len(found) == opened.counts()["images"]
        assert opened.verify() == []
    return found
