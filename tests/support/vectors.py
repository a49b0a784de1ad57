"""Clouds of vectors, and indexes of them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from support.indexes import RECIPE

from embedtool.core.types import Source, Vectors, unit_rows
from embedtool.search import build_approximate, refresh, searcher
from embedtool.search.build_approximate import build_search_index
from embedtool.search.centre import read_centre
from embedtool.search.exact import Ids, Similarities
from embedtool.store.reader import IndexReader
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
    """Rows in groups, as photos are: around 40 centres, more along some axes than others."""
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


def all_similarities(index: IndexReader, queries: Vectors) -> tuple[Ids, Similarities]:
    """The ids (n,) of all vectors and their similarities (m, n), by plain numpy."""
    ids, rows = (np.concatenate(part) for part in zip(*index.blocks(), strict=True))
    centre = read_centre(index)
    one, other = queries - centre, rows - centre
    lengths = np.linalg.norm(one, axis=1)[:, None] * np.linalg.norm(other, axis=1)
    return ids, one @ other.T / lengths


def exact_ids(index: IndexReader, queries: Vectors, k: int) -> Ids:
    """The ids (m, k) of the nearest vectors, by a full sort."""
    ids, near = all_similarities(index, queries)
    return np.asarray(ids[np.lexsort((ids[None].repeat(len(queries), 0), -near))[:, :k]])


def share_found(found: Ids, expected: Ids) -> float:
    """The share of the expected ids (m, k) that were found."""
    pairs = zip(found.tolist(), expected.tolist(), strict=True)
    return sum(len({*own} & {*true}) for own, true in pairs) / expected.size


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
        certificate = build_search_index(writer)
        assert certificate.meets(0.99, None)
    return path


@pytest.fixture
def large(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, where more than 500 vectors are searched approximately."""
    for module in (build_approximate, searcher, refresh):
        monkeypatch.setattr(module, "EXACT_ROWS", 500)
    monkeypatch.setattr("embedtool.collection.inspect.EXACT_ROWS", 500)
    return Path(shutil.copytree(built, tmp_path / "index"))
