"""The accuracy with a few labelled images per class."""

import numpy as np
import pytest
from support.labelled import clouds

from embedtool.classification.few_shot import few_shot
from embedtool.errors import UsageError


def test_few_shots_are_tested_on_other_images() -> None:
    rows, labels = clouds(6, 300, 3, 24, 3)
    groups = np.arange(300)
    some = few_shot(rows, labels, groups, 3, 5, centre=rows.mean(0), repeats=4)
    more = few_shot(rows, labels, groups, 3, 40, centre=rows.mean(0), repeats=4)
    assert some.test_images == 300 - 15
    low, high = some.accuracy.ends or (1, 0)
    assert low <= some.accuracy.value <= high
    assert more.accuracy.value > some.accuracy.value
    with pytest.raises(UsageError, match="expected 101 different pictures"):
        few_shot(rows, labels, groups, 3, 101, centre=rows.mean(0))
    with pytest.raises(UsageError, match="shots of at least 2 images per class"):
        few_shot(rows, labels, groups, 3, 1, centre=rows.mean(0))
