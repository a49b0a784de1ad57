"""Temperature scaling: fitted only where there are enough mistakes."""

from unittest.mock import ANY

import numpy as np
import pytest

from embedtool.classification.temperature import fit_temperature


def test_confidence_is_fitted_only_where_there_are_enough_mistakes() -> None:
    labels = np.arange(60) % 2
    shares = np.full((60, 2), 0.1, np.float32)
    shares[np.arange(60), labels] = 0.9
    assert fit_temperature(shares, labels) == (1.0, ANY)  # all right: no end to it
    wrong = labels.copy()
    wrong[:12] = 1 - wrong[:12]
    assert fit_temperature(shares[:49], wrong[:49])[0] == 1.0
    found, note = fit_temperature(shares, wrong)
    assert found == pytest.approx(np.log(9) / np.log(4), rel=1e-3) and note == ""  # to 0.8
