"""The layout that clip-retrieval writes, and that autofaiss and embedding-reader read.

    img_emb/img_emb_0.npy             float16 (n, d), as clip-retrieval itself writes and as an
                                      index stores
    metadata/metadata_0.parquet       the same n rows; image_path is the absolute path

With more than PART_ROWS rows there are several of each. Readers take the parts in the order of
their names, so the numbers have leading zeros.
"""

from itertools import islice
from pathlib import Path

from embedtool.interchange.arrow import parquet_writer, record_batch, schema
from embedtool.interchange.card import Card
from embedtool.interchange.index_rows import read_images
from embedtool.interchange.write_npy import write_header
from embedtool.store.reader import BLOCK_ROWS, IndexReader

PART_ROWS = 1024 * BLOCK_ROWS  # about the million of clip-retrieval, in whole blocks


def write(index: IndexReader, folder: Path, card: Card, *, seed: int) -> tuple[int, list[str]]:
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir()
    columns = schema(card, path="image_path", vector=False)
    with read_images(index) as images:
        parts = -(-images.count // PART_ROWS)
        for part in range(parts):
            number = f"{part:0{len(str(parts - 1))}d}"
            rows = min(PART_ROWS, images.count - part * PART_ROWS)
            with (
                open(folder / "img_emb" / f"img_emb_{number}.npy", "wb") as vectors,
                parquet_writer(
                    folder / "metadata" / f"metadata_{number}.parquet", columns
                ) as table,
            ):
                write_header(vectors, "<f2", rows, images.dim)
                for block in islice(images.blocks, PART_ROWS // BLOCK_ROWS):
                    vectors.write(block.vectors.astype("<f2").data)
                    table.write_batch(record_batch(block, columns))
        notes = [f"wrote {parts} parts of up to {PART_ROWS:,} images"] if parts > 1 else []
        return images.count, notes
