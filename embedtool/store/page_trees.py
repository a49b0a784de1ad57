"""The B-trees of a SQLite file: each page belongs to one place of one tree.

SQLite follows a page as often as others refer to it. In a crafted file of 20 pages, each can refer
to the next 500 times, and a scan of the table then never ends. https://sqlite.org/fileformat2.html
"""

import numpy as np
import numpy.typing as npt

Pages = npt.NDArray[np.uint8]  # (n, page size)
Numbers = npt.NDArray[np.int64]  # of pages, counted from 1
INTERIOR = (2, 5)  # types of pages that refer to other pages: of an index, of a table
FILE_HEADER, PAGE_HEADER = 100, 12  # bytes; the first page has both


def are_trees(roots: list[int], content: memoryview) -> bool:
    """Return whether each page of a database is reached at most once.

    roots: the first page of each table and index. content: the file."""
    size = int.from_bytes(content[16:18], "big")
    size = 1 << 16 if size == 1 else size
    pages = np.frombuffer(content, np.uint8)[: len(content) // size * size].reshape(-1, size)
    seen = np.zeros(len(pages) + 1, np.bool_)
    level = np.array(roots, np.int64)
    while level.size:
        if level.min() < 1 or level.max() > len(pages):
            return False
        if len(np.unique(level)) != len(level) or seen[level].any():
            return False
        seen[level] = True
        starts = np.where(level == 1, FILE_HEADER, 0)
        inner = np.isin(pages[level - 1, starts], INTERIOR)
        level = np.concatenate(
            [np.empty(0, np.int64)]
            + [
                _children(pages[number - 1], start)
                for number, start in zip(level[inner], starts[inner], strict=True)
            ]
        )
    return True


def _children(page: npt.NDArray[np.uint8], start: int) -> Numbers:
    """Return the numbers of the pages that an interior page refers to, 0 for one outside it."""
    cells = int.from_bytes(page[start + 3 : start + 5].tobytes(), "big")
    offsets = page[start + PAGE_HEADER :][: 2 * cells].tobytes()
    places = np.frombuffer(offsets[: len(offsets) // 2 * 2], ">u2").astype(np.int64)
    inside = places[places + 4 <= len(page)]
    left = page[inside[:, None] + np.arange(4)].view(">u4").ravel()
    right = page[start + 8 : start + PAGE_HEADER].view(">u4")
    outside = np.zeros(cells - len(inside), np.int64)
    return np.concatenate([left.astype(np.int64), right.astype(np.int64), outside])
