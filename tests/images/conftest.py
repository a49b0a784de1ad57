"""Fixtures of several files here."""

from pathlib import Path

import pytest
from support.indexes import index as index
from support.pictures import encoded, picture


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Forty PNGs."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(40):
        (folder / f"{seed:02}.png").write_bytes(encoded(picture(seed), "PNG"))
    return folder
