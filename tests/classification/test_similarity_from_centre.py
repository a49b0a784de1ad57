"""k-NN baselines, rankings and suggestions measure similarity as search does: from the centre."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.labelled import clouds, labelled_index

import embedtool
from embedtool.classification import compare_vectors, few_shot, predict, train
from embedtool.core.types import Vectors


def recorded(patch: pytest.MonkeyPatch, module: Any, name: str) -> list[Vectors]:
    """The rows that a function gets from now on."""
    calls: list[Vectors] = []
    own = getattr(module, name)

    def call(rows: Vectors, *arguments: Any, **options: Any) -> Any:
        calls.append(rows)
        return own(rows, *arguments, **options)

    patch.setattr(module, name, call)
    return calls


def without_mean(index: Path) -> np.ndarray:
    with embedtool.open(index) as opened:
        _, rows = opened.vectors()
    rows = rows - rows.mean(0)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def are_of(rows: Vectors, all_rows: np.ndarray) -> bool:
    return bool(np.allclose((rows @ all_rows.T).max(1), 1, atol=1e-4))


def test_the_k_nn_baseline_of_a_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = labelled_index(tmp_path, spread=0.8)
    calls = recorded(monkeypatch, train, "cross_validate_knn")
    few = recorded(monkeypatch, few_shot, "predict_knn")
    with embedtool.open(index) as opened:
        opened.probe(shots=3)
    assert len(calls) == 1 and len(few) == 10
    assert all(are_of(rows, without_mean(index)) for rows in (*calls, *few))


def test_suggestions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = labelled_index(tmp_path, spread=0.8)
    with embedtool.open(index) as opened:
        probe = opened.probe({image.path: image.path.parent.name for image in opened.images[:60]})
        rows = recorded(monkeypatch, predict, "suggest")
        opened.predict(probe, suggest_count=5)
    assert [len(own) for own in rows] == [60] and are_of(rows[0], without_mean(index))


def test_the_scores_of_a_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = clouds(0, 120, 3, 24, 0.8)
    ranked = recorded(monkeypatch, compare_vectors, "retrieve")
    voted = recorded(monkeypatch, compare_vectors, "cross_validate_knn")
    compare_vectors.compare_vectors(
        rows, rows, labels, np.arange(120) // 3 % 5, 3, centres=(rows.mean(0), 0 * rows[0])
    )
    centred = rows - rows.mean(0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    for first, second in (ranked, voted):
        assert np.allclose(first, centred, atol=1e-5) and np.allclose(second, rows, atol=1e-6)
