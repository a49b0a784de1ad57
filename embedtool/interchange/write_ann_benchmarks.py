"""The HDF5 layout of ann-benchmarks, which measures nearest-neighbour indexes on these vectors.

    train       float32 (n - m, d), the rows to search
    test        float32 (m, d), the queries: a seeded sample of images that are not in train
    neighbors   int32 (m, k), exact, rows of train, nearest first; ties in the order of rows
    distances   float32 (m, k), 1 - cosine, which ann-benchmarks calls angular

m is a tenth of the images, 10,000 at most; k is 100, or all of train.
"""

from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np

from embedtool.errors import EmbedtoolError
from embedtool.interchange.card import CARD, Card
from embedtool.interchange.index_rows import read_images
from embedtool.interchange.sample import sample_mask
from embedtool.search.exact import nearest
from embedtool.store.reader import IndexReader

QUERIES = 10_000  # as in the data sets that ann-benchmarks publishes
NEIGHBOURS = 100
SEARCHED_ROWS = 8192  # compared at a time


def write(index: IndexReader, file: BinaryIO, card: Card, *, seed: int) -> tuple[int, list[str]]:
    with h5py.File(file.name, "w", locking=False) as hdf5:  # `new_draft` has locked the file
        with read_images(index) as images:
            queries = max(1, min(QUERIES, images.count // 10))
            if images.count == queries:
                raise EmbedtoolError(
                    f"expected at least two images, but {index.path} has one. Index more photos"
                )
            held_out = sample_mask(images.count, queries, seed)
            train = hdf5.create_dataset("train", (images.count - queries, images.dim), "f4")
            test = hdf5.create_dataset("test", (queries, images.dim), "f4")
            filled = {train: 0, test: 0}
            start = 0
            for block in images.blocks:
                is_test = held_out[start : start + len(block.rows)]
                start += len(block.rows)
                for dataset, mask in ((train, ~is_test), (test, is_test)):
                    rows = block.vectors[mask]
                    dataset[filled[dataset] : filled[dataset] + len(rows)] = rows
                    filled[dataset] += len(rows)
        k = min(NEIGHBOURS, len(train))
        blocks = (
            (np.arange(at, min(at + SEARCHED_ROWS, len(train))), train[at : at + SEARCHED_ROWS])
            for at in range(0, len(train), SEARCHED_ROWS)
        )
        similarities, neighbours = nearest(test[:], blocks, k)
        hdf5.create_dataset("neighbors", data=neighbours.astype(np.int32))
        hdf5.create_dataset("distances", data=1 - similarities)
        hdf5.attrs.update(type="dense", distance="angular", dimension=images.dim)
        hdf5.attrs["point_type"] = "float"
        hdf5.attrs[CARD] = replace(card, golden=card.golden[:0]).text()  # HDF5 allows 64 KB
    return images.count, [
        f"test is a random sample of {queries:,} of {images.count:,} images, seed {seed}"
    ]


def is_export(path: Path) -> bool:
    """Return whether a file is an HDF5 export of embedtool."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as hdf5:
        return CARD in hdf5.attrs
