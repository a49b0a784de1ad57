"""Rankings by class, against scikit-learn's average precision."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from embedtool.classification.ranking_metrics import retrieve
from embedtool.core.types import unit_rows


@given(seed=st.integers(0, 2**32), n=st.integers(3, 90), c=st.integers(1, 5), k=st.integers(1, 12))
def test_average_precision_is_scikit_learns(seed: int, n: int, c: int, k: int) -> None:
    random = np.random.default_rng(seed)
    rows, labels = unit_rows(random.normal(size=(n, 8))), random.integers(c, size=n)
    queries = random.permutation(n)[: n // 2]
    found = retrieve(rows, labels, queries, k=k)
    for at, query in enumerate(queries.tolist()):
        others = np.delete(np.arange(n), query)
        near = (rows[query : query + 1] @ rows.T)[0, others]
        assume(np.diff(np.sort(near)).min(initial=1) > 1e-6)  # else rounding decides the order
        same = labels[others] == labels[query]
        if same.any():
            assert found.average_precision[at] == pytest.approx(
                average_precision_score(same, near), abs=1e-6
            )
        else:
            assert np.isnan(found.average_precision[at])
        first = others[np.argsort(-near, kind="stable")][:k]
        assert found.precision[at] == pytest.approx((labels[first] == labels[query]).mean())
        assert query not in found.nearest[at]


def test_known_ranks() -> None:
    """Nearest of the first, in order: the same class, another, the same."""
    angles = np.array([0, 0.1, 0.2, 0.3])
    rows = unit_rows(np.stack([np.cos(angles), np.sin(angles)], 1))
    found = retrieve(rows, np.array([0, 0, 1, 0]), np.array([0, 2]), k=5)
    assert found.precision.tolist() == pytest.approx([2 / 3, 0])
    assert found.average_precision[0] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert np.isnan(found.average_precision[1]), "alone of its class"
    assert found.nearest[0].tolist() == [1, 2, 3, -1, -1]
