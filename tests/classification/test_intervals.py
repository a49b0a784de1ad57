"""Confidence intervals contain the true score as often as they say."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from embedtool.classification.intervals import (
    Estimate,
    accuracy_interval,
    mean_interval,
    paired_difference,
)
from embedtool.errors import EmbedtoolError

RATES = (0.5, 0.7, 0.9, 0.95, 0.99)
SIZES = (10, 12, 20, 50, 200, 1000)


def right(hits: int, n: int) -> npt.NDArray[np.bool_]:
    return np.arange(n) < hits


@given(n=st.integers(10, 300), share=st.floats(0, 1))
def test_the_interval_of_an_accuracy_is_scipys(n: int, share: float) -> None:
    hits = round(share * n)
    found = accuracy_interval(right(hits, n))
    theirs = binomtest(hits, n).proportion_ci(method="exact")
    assert found.value == hits / n
    assert found.ends == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize("n", SIZES)
def test_it_contains_the_true_accuracy_in_95_of_100_samples(n: int) -> None:
    ends = np.array([accuracy_interval(right(hits, n)).ends for hits in range(n + 1)])
    for rate in np.linspace(0.5, 0.99, 50):
        inside = (ends[:, 0] <= rate) & (rate <= ends[:, 1])
        assert binom.pmf(np.arange(n + 1), n, rate)[inside].sum() >= 0.95


def pairs(
    random: np.random.Generator, n: int, first: float, second: float, dependence: float
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Two accuracies on the same n images. dependence: 0 for none, 1 for the most there can be."""
    both = first * second + dependence * (min(first, second) - first * second)
    shares = np.array([both, first - both, second - both, 1 - first - second + both]).clip(0)
    drawn = random.choice(4, size=n, p=shares / shares.sum())
    return drawn < 2, (drawn == 0) | (drawn == 2)


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 20, 100])
@pytest.mark.parametrize("dependence", [0, 1])
def test_a_difference_is_contained_as_often(n: int, dependence: float) -> None:
    """At least 0.938 with 20,000 tables each; here 300 of each pair of rates, so 0.9 at the least
    and 0.95 on average."""
    random = np.random.default_rng(n)
    shares = []
    for first in RATES:
        for second in RATES:
            inside = 0
            for _ in range(300):
                found = paired_difference(*pairs(random, n, first, second, dependence))
                assert found.low is not None and found.high is not None
                inside += found.low - 1e-12 <= second - first <= found.high + 1e-12
            shares.append(inside / 300)
    assert min(shares) > 0.9 and np.mean(shares) > 0.95


def test_the_same_predictions_differ_by_nothing_but_not_with_certainty() -> None:
    found = paired_difference(right(40, 50), right(40, 50))
    assert found.value == 0 and found.low is not None and found.high is not None
    assert -0.1 < found.low == -found.high < 0


def test_pairs_narrow_a_difference() -> None:
    first = np.arange(1000) % 5 > 0
    second = first.copy()
    second[:20:5] = True  # four that the first has wrong
    found = paired_difference(first, second)
    assert found.value == pytest.approx(0.004)
    assert found.ends == pytest.approx((-0.001, 0.009), abs=0.001)
    back = paired_difference(second, first)
    assert (back.value, back.low, back.high) == pytest.approx(
        (-found.value, -(found.high or 0), -(found.low or 0))
    )
    moved = np.roll(second, 1)  # as many right, of other images
    wide = paired_difference(first, moved)
    assert wide.low is not None and found.low is not None and wide.low < 5 * found.low


@given(values=st.lists(st.floats(0, 1), min_size=10, max_size=60))
def test_a_mean_lies_within_its_interval_and_the_interval_within_the_range(
    values: list[float],
) -> None:
    found = mean_interval(values)
    assert found.low is not None and found.high is not None
    assert found.value == pytest.approx(np.mean(values))
    assert 0 <= found.low <= found.value <= found.high <= 1 and found.low < found.high


def test_the_interval_of_many_values_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(0).beta(8, 2, size=4000)
    half = 1.96 * values.std() / np.sqrt(4000)
    expected = (values.mean() - half, values.mean() + half)
    assert mean_interval(values).ends == pytest.approx(expected, abs=half / 20)


@pytest.mark.parametrize("function", [accuracy_interval, mean_interval])
def test_fewer_than_ten_values_have_no_interval(function) -> None:  # type: ignore[no-untyped-def]
    assert function(np.ones(9)) == Estimate(1.0, None, None)
    assert function(np.ones(10)).ends is not None


@pytest.mark.parametrize("values", [[], [[1, 0]], 1])
def test_what_is_no_list_of_values(values: npt.ArrayLike) -> None:
    for function in (accuracy_interval, mean_interval):
        with pytest.raises(EmbedtoolError, match=r"one value per image, shape \(n,\), received"):
            function(values)


def test_values_of_other_images_are_not_compared() -> None:
    with pytest.raises(EmbedtoolError, match=r"received shapes \(2,\) and \(3,\)"):
        paired_difference([0, 1], [0, 1, 1])
