"""Plain files for numpy. No other library is needed.

vectors.npy       float32 (n, d), unit rows
paths.txt         their paths as bytes, one per line; if a name contains a line break, every path
                  ends with NUL instead, as with `find -print0`
images.jsonl      one JSON object per line: path, root, size, mtime_ns, sha256, label
"""

import json
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from embedtool.interchange.card import Card
from embedtool.interchange.index_rows import absolute_path, folder_labels, read_images
from embedtool.store.layout import Row
from embedtool.store.reader import IndexReader


def write(index: IndexReader, folder: Path, card: Card, *, seed: int) -> tuple[int, list[str]]:
    with (
        read_images(index) as images,
        open(folder / "vectors.npy", "wb") as vectors,
        open(folder / "paths.txt", "wb") as paths,
        open(folder / "images.jsonl", "w", encoding="ascii") as table,
    ):
        has_line_break = any(
            b"\n" in name or b"\r" in name for r in index.rows() for name in (r.root, r.path)
        )
        end = b"\0" if has_line_break else b"\n"
        write_header(vectors, "<f4", images.count, images.dim)
        for block in images.blocks:
            vectors.write(block.vectors.astype("<f4").data)
            paths.writelines(absolute_path(row) + end for row in block.rows)
            table.writelines(
                _json_line(row, label)
                for row, label in zip(block.rows, folder_labels(block.rows), strict=True)
            )
        note = "a name contains a line break, so the paths in paths.txt end with NUL"
        return images.count, [note] if has_line_break else []


def write_header(file: BinaryIO, descr: str, rows: int, dim: int) -> None:
    """Write the header of a .npy file of this type and shape. The rows follow."""
    header = {"descr": np.dtype(descr).str, "fortran_order": False, "shape": (rows, dim)}
    np.lib.format.write_array_header_1_0(file, header)


def _json_line(row: Row, label: bytes) -> str:
    record = {
        "path": os.fsdecode(absolute_path(row)),
        "root": os.fsdecode(row.root),
        "size": row.size,
        "mtime_ns": row.mtime_ns,
        "sha256": row.digest.hex(),
        "label": os.fsdecode(label),
    }
    return json.dumps(record) + "\n"
