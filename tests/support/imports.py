"""Vectors of other programs, and what an import made of them."""

from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pytest
from support.exports import index_content

from embedtool import import_vectors
from embedtool.errors import EmbedtoolError

ROWS = np.random.default_rng(0).normal(size=(7, 5))
NAMES = [f"a/{n}.jpg" for n in range(7)]


class NpyArguments(TypedDict):
    """The arguments of `import_vectors` for a .npy file."""

    path: Path
    paths: Path
    index: Path


def stored_images(index: Path) -> list[tuple[bytes, bytes, int, int, bytes, bytes]]:
    """All that an index says of each image, with the stored bytes of its vector."""
    rows, vectors = index_content(index)
    halves = vectors.astype(np.float16)
    return [
        (r.root, r.path, r.size, r.mtime_ns, r.digest, half.tobytes())
        for r, half in zip(rows, halves, strict=True)
    ]


def segment_bytes(index: Path) -> bytes:
    """The rows of all segments as they lie on disk, one after the other."""
    files = sorted((index / "vectors").iterdir())
    return b"".join(np.load(file).tobytes() for file in files)


def save_npy(folder: Path, rows: np.ndarray = ROWS, names: list[str] = NAMES) -> NpyArguments:
    np.save(folder / "v.npy", rows)
    (folder / "p.txt").write_text("".join(f"{name}\n" for name in names))
    return {"path": folder / "v.npy", "paths": folder / "p.txt", "index": folder / "index"}


def assert_refused(message: str, *, index: Path, **arguments: Any) -> None:
    """The import fails with this message, on one line, and makes no index."""
    with pytest.raises(EmbedtoolError, match=message) as caught:
        import_vectors(index=index, **arguments)
    assert "\n" not in str(caught.value)
    assert not index.exists()
