"""One writer and four readers, each a process. Every version of the index has other vectors, sizes
and times in every row, so that a read of two versions shows.

    python -m faults.readers INDEX VERSIONS SECONDS

The writer stops after so many versions, or, where SECONDS is not 0, when they are over. Prints, as
JSON, the versions written and, for each reader, how many whole versions it has read.
"""

import json
import os
import sys
import time
import traceback
from functools import lru_cache
from pathlib import Path

import numpy as np

from embedtool import compact_index, search_photos
from embedtool.core.paths import full_path
from embedtool.core.types import Source, Vectors, unit_rows
from embedtool.models.embedder import MeanColourEmbedder, embed_golden
from embedtool.search.exact import nearest
from embedtool.store.reader import IndexReader
from embedtool.store.segments import to_float32
from embedtool.store.writer import Writer, create

READERS = 4
IMAGES = 12
COMPACT_EVERY = 5  # versions
REOPEN_EVERY = 7  # reads


@lru_cache(maxsize=64)
def stored(version: int) -> Vectors:
    """The rows of a version, as a reader must see them."""
    return unit_rows(to_float32(made(version).astype("<f2")))


def made(version: int) -> Vectors:
    random = np.random.default_rng(version)
    return unit_rows(random.normal(size=(IMAGES, MeanColourEmbedder.dim)))


def write(index: Path, version: int) -> None:
    files = [Source(b"/photos", b"%02d" % n, version, version) for n in range(IMAGES)]
    digests = [b"%d %d" % (version, n) for n in range(IMAGES)]
    with Writer(index) as writer:
        writer.commit(
            vectors=list(zip(digests, made(version), strict=True)),
            images=list(zip(files, digests, strict=True)),
            renames=[],
            rejects=[],
        )
        writer.drop([], [])
    if version % COMPACT_EVERY == 0:
        compact_index(index)


def read(index: IndexReader) -> int:
    """One whole version, whichever it is."""
    with index.snapshot():
        rows = list(index.rows())
        [version] = {row.mtime_ns for row in rows}
        assert [(r.path, r.size) for r in rows] == [(b"%02d" % n, version) for n in range(IMAGES)]
        expected, seen = stored(version), 0
        for ids, block in index.blocks():
            for id, row in zip(ids.tolist(), block, strict=True):
                [image] = index.images_of([id])[id]
                assert (row == expected[int(image.path)]).all()
                seen += 1
        assert seen == IMAGES
        similarities, ids = nearest(expected, index.blocks(), 3)
        assert np.allclose(similarities, -np.sort(-expected @ expected.T, 1)[:, :3], atol=1e-5)
        named = index.images_of(ids[:, 0].tolist())
        assert [int(named[id][0].path) for id in ids[:, 0].tolist()] == list(range(IMAGES))
    return version


def search(path: Path, earliest: int) -> None:
    """A search takes its query of one version and its answers of one, a later one perhaps."""
    [result] = search_photos(path, rows=[1], k=IMAGES)
    similarities = np.zeros(IMAGES)
    for match in result.matches:
        similarities[int(match.path.name)] = match.similarity
    assert [m.path for m in result.matches] == sorted(
        (full_path(b"/photos", b"%02d" % n) for n in range(IMAGES)),
        key=lambda file: -similarities[int(file.name)],
    )
    versions = range(earliest, version_of(path) + 1)
    assert any(
        np.allclose(stored(later) @ stored(sooner)[0], similarities, atol=1e-5)
        for sooner in versions
        for later in versions
    ), f"no versions of {versions} give this search"


def read_until(path: Path, done: Path) -> int:
    """Read until the writer is done; how many whole versions were read."""
    reads, version = 0, 0
    last = False
    while not last:
        last = done.exists()
        with IndexReader(path) as index:
            for _ in range(REOPEN_EVERY):
                earlier = version
                version = read(index)
                assert version >= earlier, "an older version came back"
                reads += 1
        search(path, version)
    return reads


def version_of(path: Path) -> int:
    with IndexReader(path) as index, index.snapshot():
        return max(row.mtime_ns for row in index.rows())


def main(path: Path, versions: int, seconds: float) -> None:
    fake = MeanColourEmbedder()
    golden = embed_golden(fake)
    create(
        path, model="fake", recipe=fake.recipe, dim=fake.dim, golden=golden, created_by="a test"
    ).close()
    write(path, 1)
    done = path.with_name("done")
    pipes = []
    for _ in range(READERS):
        come, go = os.pipe()
        if not os.fork():
            try:
                os.write(go, b"%d" % read_until(path, done))
            except BaseException:
                os.write(go, traceback.format_exc().encode())
            os._exit(0)
        os.close(go)
        pipes.append(come)
    end = time.monotonic() + seconds
    version = 1
    while version < versions or time.monotonic() < end:
        version += 1
        write(path, version)
    done.touch()
    reads = []
    for pipe in pipes:
        with open(pipe, "rb") as opened:
            reads.append(opened.read().decode())
    print(json.dumps({"versions": version, "reads": reads}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
