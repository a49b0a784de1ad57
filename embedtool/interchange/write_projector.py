"""The TensorBoard Projector: vectors.tsv, metadata.tsv, projector_config.pbtxt.

TensorBoard draws no more than its first 100,000 points, whatever the file holds. Of a larger index
a sample is written, so that what is drawn is of all folders and not of the first few.
"""

from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import numpy as np

from embedtool.interchange.card import Card, legible
from embedtool.interchange.index_rows import full, labels, read_images
from embedtool.interchange.sample import sample
from embedtool.store.reader import BLOCK_ROWS, IndexReader

LIMIT = 100_000  # points; LIMIT_NUM_POINTS in TensorBoard's projector
CONFIG = """embeddings {
  tensor_name: "images"
  tensor_path: "vectors.tsv"
  metadata_path: "metadata.tsv"
}
"""


def write(index: IndexReader, folder: Path, card: Card, *, seed: int) -> tuple[int, list[str]]:
    (folder / "projector_config.pbtxt").write_text(CONFIG, "utf-8")
    with TemporaryFile(dir=folder) as scratch:
        with (
            read_images(index) as images,
            open(folder / "metadata.tsv", "w", encoding="utf-8", newline="\n") as metadata,
        ):
            metadata.write("path\tlabel\n")
            chosen = sample(images.count, LIMIT, seed)
            start = 0
            for block in images.blocks:
                here = chosen[start : start + len(block.rows)]
                start += len(block.rows)
                scratch.write(block.vectors[here].data)
                rows = [row for row, wanted in zip(block.rows, here, strict=True) if wanted]
                metadata.writelines(
                    f"{_cell(full(row))}\t{_cell(label)}\n"
                    for row, label in zip(rows, labels(rows), strict=True)
                )
        _write_text(scratch, folder / "vectors.tsv", index.dim)  # the index is free again
    if images.count <= LIMIT:
        return images.count, []
    return LIMIT, [
        f"a sample of {LIMIT:,} of {images.count:,} images, seed {seed}: TensorBoard draws no more"
    ]


def _write_text(scratch: BinaryIO, to: Path, dim: int) -> None:
    """float32 rows as lines of text: the slow part, a minute for 100,000 rows of 1,280."""
    line = "\t".join(["%.5g"] * dim) + "\n"  # a stored float16 has no more digits
    scratch.seek(0)
    with open(to, "w", encoding="ascii") as file:
        while data := scratch.read(4 * dim * BLOCK_ROWS):
            rows = np.frombuffer(data, np.float32).reshape(-1, dim)
            file.writelines(line % tuple(row) for row in rows.tolist())


def _cell(name: bytes) -> str:
    """A name as one cell: nothing in it may end the cell or the line."""
    return legible(name).translate({9: "\\t", 10: "\\n", 13: "\\r"})
