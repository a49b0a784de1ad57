"""Clouds of vectors, and indexes of them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from support.indexes import RECIPE

from embedtool.core.types import Source, Vectors, unit_rows
from embedtool.search import build_approximate, build_search, refresh, searcher
from embedtool.store.writer import Writer, create

COUNT, DIM = 4000, 96


def collection(path: Path, rows: Vectors) -> Path:
    with create(
        path, model="fake", recipe=RECIPE, dim=rows.shape[1], golden=rows[:3], created_by="test"
    ) as writer:
        commit(writer, rows, 0)
    return path


def drop_every(writer: Writer, step: int) -> None:
    writer.drop([row.id for row in writer.rows()][::step], [])


def cloud(count: int, seed: int) -> Vectors:
    """Rows in families, as photos are: around 40 centres, more along some axes than others."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(40, DIM))
    spread = np.geomspace(1.5, 0.05, DIM)
    return unit_rows(
        centres[random.integers(40, size=count)] + random.normal(size=(count, DIM)) * spread
    )


def commit(writer: Writer, rows: Vectors, first: int) -> None:
    files = [
        Source(b"/photos", b"%d/%05d.jpg" % (n % 3, n), n, n)
        for n in range(first, first + len(rows))
    ]
    digests = [b"%032d" % n for n in range(first, first + len(rows))]
    writer.commit(
        vectors=list(zip(digests, rows, strict=True)),
        images=list(zip(files, digests, strict=True)),
        renames=[],
        rejects=[],
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 4,000 vectors in four segments, with its approximate index."""
    path = tmp_path_factory.mktemp("built") / "index"
    rows = cloud(COUNT, 0)
    with create(
        path, model="fake", recipe=RECIPE, dim=DIM, golden=rows[:3], created_by="test"
    ) as writer:
        for start in range(0, COUNT, 1000):
            commit(writer, rows[start : start + 1000], start)
        certificate = build_search(writer)
        assert certificate.holds(0.99, None)
    return path


@pytest.fixture
def large(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in a house where 500 vectors are many."""
    for room in (build_approximate, searcher, refresh):
        monkeypatch.setattr(room, "EXACT_ROWS", 500)
    monkeypatch.setattr("embedtool.collection.inspect.EXACT_ROWS", 500)
    return Path(shutil.copytree(built, tmp_path / "index"))
