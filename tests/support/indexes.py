"""Indexes of the mean-colour embedder."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from embedtool.collection.index_report import IndexReport
from embedtool.collection.sync import sync
from embedtool.models.embedder import MeanColourEmbedder
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer, create

RECIPE = MeanColourEmbedder.recipe


def make_index(path: Path) -> None:
    fake = MeanColourEmbedder()
    golden = fake.embed(np.zeros((3, 32, 32, 3), np.uint8))
    create(
        path, model="fake", recipe=RECIPE, dim=fake.dim, golden=golden, created_by="test"
    ).close()


def run(index: Path, *photos: Path | str, embedder: Callable = MeanColourEmbedder) -> IndexReport:
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
