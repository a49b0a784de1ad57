"""Outliers, against a full sort of all similarities."""

from pathlib import Path

import numpy as np
import pytest
from support.vectors import cloud, collection, drop_every

from embedtool import find_outliers
from embedtool.core.types import unit_rows
from embedtool.explore.neighbour_graph import Graph
from embedtool.explore.outliers import _ranked
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer


@pytest.mark.parametrize(("count", "k"), [(60, 20), (60, 1), (60, 99), (6, 99)])
def test_the_score_is_one_less_the_mean_similarity_to_ten_neighbours(
    tmp_path: Path, count: int, k: int
) -> None:
    path = collection(tmp_path / "index", cloud(count, 0))
    with Writer(path) as writer:
        drop_every(writer, 5)
        rows = writer.rows_at(writer.places_after(0))
        images = [Path(f"/photos/{row.path.decode()}") for row in writer.rows()]
    directions = unit_rows(rows - rows.mean(0))
    similarities = directions @ directions.T
    np.fill_diagonal(similarities, -np.inf)
    ranked = np.sort(similarities, axis=1)[:, ::-1][:, : min(10, len(images) - 1)]
    scores = 1 - ranked.mean(1)
    order = np.argsort(-scores)[:k].tolist()
    found = find_outliers(path, k=k)
    assert [o.rank for o in found] == list(range(1, min(k, len(images)) + 1))
    assert [o.path for o in found] == [images[place] for place in order]
    assert [o.nearest for o in found] == [images[similarities[place].argmax()] for place in order]
    assert [o.score for o in found] == pytest.approx(scores[order].tolist(), abs=1e-5)
    assert [o.similarity for o in found] == pytest.approx(ranked[order, 0].tolist(), abs=1e-5)
    assert find_outliers(path, k=k) == found, "of the saved graph too"


def test_only_the_neighbours_that_were_found_count(tmp_path: Path) -> None:
    """Approximate search may find fewer than there are. Equal scores are in the order of ids."""
    path = collection(tmp_path / "index", cloud(4, 0))
    near = np.array([[0.75, 0.25, -np.inf], [0.75, 0.5, 0.25], [0.5, 0.25, 0], [0.5] * 3])
    indices = np.array([[1, 2, -1], [0, 2, 3], [1, 0, 3], [2, 1, 0]], np.int32)
    with IndexReader(path) as index:
        ids = index.places_after(0)["id"]
        graph = Graph(ids, indices, near.astype(np.float32), np.zeros(96, np.float32), 0.9)
        found = _ranked(index, graph, 4)
    assert [(int(o.path.stem), o.score, int(o.nearest.stem), o.similarity) for o in found] == [
        *((2, 0.75, 1, 0.5), (0, 0.5, 1, 0.75), (1, 0.5, 0, 0.75), (3, 0.5, 2, 0.5))
    ]


def test_one_image_is_no_outlier(tmp_path: Path) -> None:
    assert not [*find_outliers(collection(tmp_path / "index", cloud(1, 0)))]
