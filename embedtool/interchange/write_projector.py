"""Files for the TensorBoard Projector: vectors.tsv, metadata.tsv, projector_config.pbtxt.

TensorBoard draws only the first 100,000 points of a file. For a larger index a random sample is
written, so that the points come from all folders and not only from the first few.
"""

from itertools import compress
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import numpy as np

from embedtool.interchange.card import Card, lossy_text
from embedtool.interchange.index_rows import absolute_path, folder_labels, read_images
from embedtool.interchange.sample import sample_mask
from embedtool.store.reader import BLOCK_ROWS, IndexReader

MAX_POINTS = 100_000  # LIMIT_NUM_POINTS in TensorBoard's projector
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
            chosen = sample_mask(images.count, MAX_POINTS, seed)
            start = 0
            for block in images.blocks:
                wanted = chosen[start : start + len(block.rows)]
                start += len(block.rows)
                scratch.write(block.vectors[wanted].data)
                rows = list(compress(block.rows, wanted))
                metadata.writelines(
                    f"{_tsv_cell(absolute_path(row))}\t{_tsv_cell(label)}\n"
                    for row, label in zip(rows, folder_labels(rows), strict=True)
                )
        _write_text(scratch, folder / "vectors.tsv", index.dim)  # the index is no longer locked
    if images.count <= MAX_POINTS:
        return images.count, []
    return MAX_POINTS, [
        f"a random sample of {MAX_POINTS:,} of {images.count:,} images was written (seed {seed}): "
        "TensorBoard draws no more"
    ]


def _write_text(scratch: BinaryIO, to: Path, dim: int) -> None:
    """Write float32 rows as lines of text. This is the slow part: a minute for 100,000 rows of
    1,280."""
    line = "\t".join(["%.5g"] * dim) + "\n"  # a stored float16 has no more digits
    scratch.seek(0)
    with open(to, "w", encoding="ascii") as file:
        while data := scratch.read(4 * dim * BLOCK_ROWS):
            rows = np.frombuffer(data, np.float32).reshape(-1, dim)
            file.writelines(line % tuple(row) for row in rows.tolist())


def _tsv_cell(name: bytes) -> str:
    """Return a name as one cell, with tabs and line breaks escaped."""
    return lossy_text(name).translate({9: "\\t", 10: "\\n", 13: "\\r"})
