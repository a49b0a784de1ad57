"""The TensorBoard Projector: vectors.tsv, metadata.tsv, projector_config.pbtxt.

TensorBoard draws no more than its first 100,000 points, whatever the file holds. Of a larger index
a sample is written, so that what is drawn is of all folders and not of the first few.
"""

from pathlib import Path

from embedtool.export.images import full, labels, read_images
from embedtool.export.sample import sample
from embedtool.interchange import Card, legible
from embedtool.store import Index

LIMIT = 100_000  # points; LIMIT_NUM_POINTS in TensorBoard's projector
CONFIG = """embeddings {
  tensor_name: "images"
  tensor_path: "vectors.tsv"
  metadata_path: "metadata.tsv"
}
"""


def write(index: Index, folder: Path, card: Card, *, seed: int) -> tuple[int, list[str]]:
    (folder / "projector_config.pbtxt").write_text(CONFIG, "utf-8")
    line = "\t".join(["%.5g"] * index.dim) + "\n"  # a float16 has no more digits to lose
    with (
        read_images(index) as images,
        open(folder / "vectors.tsv", "w", encoding="ascii") as vectors,
        open(folder / "metadata.tsv", "w", encoding="utf-8", newline="\n") as metadata,
    ):
        metadata.write("path\tlabel\n")
        chosen = sample(images.count, LIMIT, seed)
        start = 0
        for block in images.blocks:
            here = chosen[start : start + len(block.rows)]
            start += len(block.rows)
            names = zip(block.rows, labels(block.rows), block.vectors, here, strict=True)
            for row, label, vector, wanted in names:
                if wanted:
                    vectors.write(line % tuple(vector.tolist()))
                    metadata.write(f"{_cell(full(row))}\t{_cell(label)}\n")
    if images.count <= LIMIT:
        return images.count, []
    return LIMIT, [
        f"a sample of {LIMIT:,} of {images.count:,} images, seed {seed}: TensorBoard draws no more"
    ]


def _cell(name: bytes) -> str:
    """A name as one cell: nothing in it may end the cell or the line."""
    return legible(name).translate({9: "\\t", 10: "\\n", 13: "\\r"})
