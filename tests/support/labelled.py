"""Indexes of labelled vectors."""

from pathlib import Path

import numpy as np

import embedtool as package
from embedtool.core.types import Vectors, unit_rows


def clouds(seed: int, n: int, c: int, d: int, spread: float) -> tuple[Vectors, np.ndarray]:
    """Unit rows round c centres that share a direction, as pooled activations do."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % c
    centres = random.normal(size=(c, d)) + 2
    return unit_rows(centres[labels] + spread * random.normal(size=(n, d))), labels


def make_index(folder: Path, rows: Vectors, names: list[str], *, model: str = "made") -> Path:
    """An index of vectors, without photos."""
    folder.mkdir(exist_ok=True)
    np.save(folder / "rows.npy", rows)
    (folder / "names.txt").write_text("\n".join(names))
    target = folder / "index"
    package.import_vectors(
        folder / "rows.npy",
        index=target,
        paths=folder / "names.txt",
        root=folder,
        model=model,
    )
    return target


def labelled_index(folder: Path, n: int = 120, c: int = 3, spread: float = 2.0) -> Path:
    rows, labels = clouds(0, n, c, 24, spread)
    return make_index(folder, rows, [f"class{label}/{i}.jpg" for i, label in enumerate(labels)])
