"""Indexes that the export tests share."""

from pathlib import Path

import numpy as np
import pytest
from support.exports import COUNT, ODD_NAMES, fill_index, index_content


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "index"
    fill_index(path, COUNT, ODD_NAMES)
    rows, vectors = index_content(path)
    assert len(rows) == COUNT and np.array_equal(vectors[1], vectors[10])
    return path


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "plain"
    fill_index(path, 200, {})
    return path
