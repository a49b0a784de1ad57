"""What the driver's children do, by name: the operations under test, and a look at an index."""

import os
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from embedtool import compaction, layout, sync
from embedtool.embed import MeanColourEmbedder, embed_golden
from embedtool.layout import exists, full_path, segment_file
from embedtool.store import Index
from embedtool.writer import Writer, create

# A scenario of a dozen photos must see several commits and several segments, at the same
# operations each time.
sync.COMMIT_ROWS = 3
sync.COMMIT_SECONDS = 1e9
compaction.SEGMENT_ROWS = 4
layout.LOCK_WAIT = 5.0  # a connection that was left open is told in seconds


def warm_up() -> None:
    """Do all once: what is imported late is then imported before the fork, not in each child."""
    with TemporaryDirectory() as folder:
        picture = Path(folder, "photos", "one.png")
        picture.parent.mkdir()
        Image.new("RGB", (8, 8), "red").save(picture)
        index = str(Path(folder, "index"))
        bring(index, str(picture.parent))
        compact(index)
        look(index)


def bring(index: str, *photos: str) -> dict[str, int]:
    """`index_photos` with the mean-colour embedder."""
    embedder = MeanColourEmbedder()
    if exists(index):
        target = Writer(index)
    else:
        target = create(
            index,
            model="mean colour",
            recipe=embedder.recipe,
            dim=embedder.dim,
            golden=embed_golden(embedder),
            created_by="a test",
        )
    with target:
        report = sync.sync(target, photos, lambda: embedder, workers=1)
    return {name: getattr(report, name) for name in sync.KINDS}


def compact(index: str) -> None:
    compaction.compact_index(index)


def upgrade(index: str) -> None:
    Writer(index).close()


def look(index: str) -> dict[str, Any]:
    """All an index holds: {"images": {path: [size, mtime, digest, vector]}, "rejects": {path:
    [size, mtime, stage, reason]}, "vectors", "dead", "stray"}. Raises where a row is doubled or
    disagrees with itself. Nothing where there is no index yet."""
    if not exists(index):
        return {"images": {}, "rejects": {}, "vectors": 0, "dead": 0, "stray": []}
    with Index(index) as opened, opened.snapshot():
        faults = opened.verify()
        assert not faults, faults
        vectors = {
            int(id): row.tobytes()
            for ids, rows in opened.blocks()
            for id, row in zip(ids, rows, strict=True)
        }
        images, seen = {}, Counter[str]()
        for row in opened.rows():
            path = str(full_path(row.root, row.path))
            stored = opened.image(row.id)
            assert stored and str(stored[0]) == path
            images[path] = [row.size, row.mtime_ns, row.digest.hex(), stored[1].tobytes().hex()]
            seen[path] += 1
        for id, vector in vectors.items():
            for path in map(str, opened.paths_of(id)):
                assert images[path][3] == vector.hex(), f"{path} has two vectors"
                seen[path] += 1
        rejects = {}
        for x in opened.refusals():
            path = str(full_path(x.root, x.path))
            rejects[path] = [x.size, x.mtime_ns, x.stage, x.reason]
            seen[path] += 2
        wrong = {path: times for path, times in seen.items() if times != 2}
        assert not wrong, f"rows lost or doubled: {wrong}"
        segments = opened.segments()
        counts = opened.counts()
        named = {segment_file(Path(index), s.id).name for s in segments}
        named |= {"catalog.sqlite", "catalog.sha256", "writer.lock"}
        files = {name for _, _, names in os.walk(index) for name in names}
    return {
        "images": images,
        "rejects": rejects,
        "vectors": counts["vectors"],
        "dead": sum(s.rows for s in segments) - len(vectors),
        "stray": sorted(files - named),
    }
