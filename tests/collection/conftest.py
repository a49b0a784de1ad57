"""An empty index, and a folder of photos for it."""

from pathlib import Path

import pytest
from support.indexes import index as index
from support.pictures import encoded, picture


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for seed in range(6):
        (folder / f"{seed}.png").write_bytes(encoded(picture(seed), "PNG"))
    (folder / "sub" / "copy of 0.png").write_bytes(encoded(picture(0), "PNG"))
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff broken")
    return folder
