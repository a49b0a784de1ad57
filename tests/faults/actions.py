"""What the driver's children do, by name: the operations under test, and a look at an index."""

import os
from collections import Counter
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from pyarrow.parquet import ParquetFile

from embedtool import compact_index, export_index
from embedtool.collection import sync
from embedtool.core.paths import full_path
from embedtool.errors import EmbedtoolError
from embedtool.interchange import write_npy, write_parquet
from embedtool.interchange.card import CARD_FILE, read_card
from embedtool.models.embedder import MeanColourEmbedder, embed_golden
from embedtool.search import build_approximate, measure_recall, searcher
from embedtool.search.centre import read_centre
from embedtool.search.searcher import ExactSearcher, open_searcher
from embedtool.store import database, merge_segments
from embedtool.store.derived import CENTRE, SEARCH, open_derived
from embedtool.store.layout import exists, segment_file
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer, create

# A scenario of a dozen photos must see several commits and several segments, at the same
# operations each time.
sync.COMMIT_ROWS = 3
sync.COMMIT_SECONDS = 1e9
merge_segments.SEGMENT_ROWS = 4
searcher.EXACT_ROWS = 20  # type: ignore[attr-defined]  # above, the approximate index is used
build_approximate.QUERIES = 6
measure_recall.NORMAL_95 = 0.0  # so few queries would promise too little
build_approximate.TIMED_QUERIES = 2
build_approximate.PLANS = (build_approximate.Plan("HNSW16_SQ8", 8, 420, ((64, 8),)),)  # type: ignore[assignment]
database.LOCK_WAIT = 5.0  # a connection that was left open shows in seconds
OUT = "exports"  # a folder in that of an index
assert write_npy and write_parquet  # imported before the fork, not in each child


def warm_up() -> None:
    """Do all once: what is imported late is then imported before the fork, not in each child."""
    with suppress(ImportError):  # which pyarrow looks for when it makes its first table
        import_module("pandas")
    with TemporaryDirectory() as folder:
        picture = Path(folder, "photos", "one.png")
        picture.parent.mkdir()
        Image.new("RGB", (8, 8), "red").save(picture)
        index = str(Path(folder, "index"))
        update_index(index, str(picture.parent))
        compact(index)
        look(index)


def update_index(index: str, *photos: str) -> dict[str, int]:
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
    compact_index(index)


def publish(index: str) -> None:
    with Writer(index) as writer:
        build_approximate.build_search_index(writer)


def export(index: str, name: str) -> None:
    export_index(index, Path(index, OUT, name), format="npy" if name == "npy" else None)


def exported(folder: Path) -> dict[str, str] | None:
    """What an export holds, path -> vector in hexadecimal. Killed between the going of an earlier
    one and the coming of its own, the newest that is whole is found beside, hidden."""
    for found in sorted(folder.glob("[!.]*")) or _hidden(folder):
        if found.suffix == ".parquet":
            table = ParquetFile(found).read(use_threads=False)
            vectors = np.array(table["vector"].to_pylist(), np.float32)
            return {
                path: row.tobytes().hex()
                for path, row in zip(table["path"].to_pylist(), vectors, strict=True)
            }
        if (found / CARD_FILE).exists():
            paths = (found / "paths.txt").read_bytes().splitlines()
            rows = np.load(found / "vectors.npy")
            return {
                os.fsdecode(path): row.tobytes().hex()
                for path, row in zip(paths, rows, strict=True)
            }
    return None


def _hidden(folder: Path) -> list[Path]:
    """Newest first. The card is written last, and of one that was being removed a file is gone."""
    whole = []
    for card in folder.glob(f".*/{CARD_FILE}"):
        try:
            files = read_card(card.read_bytes(), card).files
        except EmbedtoolError:  # killed while it was written
            continue
        if all((card.parent / file).exists() for file in files):
            whole.append((card.stat().st_mtime_ns, card.parent))
    return [path for _, path in sorted(whole, reverse=True)]


def upgrade(index: str) -> None:
    Writer(index).close()


def look(index: str) -> dict[str, Any]:
    """All an index holds: {"images": {path: [size, mtime, digest, vector]}, "rejects": {path:
    [size, mtime, stage, reason]}, "vectors", "dead", "stray", "search", "export"}; "search" is up
    to which vector the approximate index reaches. Nothing where there is no index.

    Raises where a row is doubled or disagrees with itself, or where the approximate index finds
    other than exact search.
    """
    if not exists(index):
        nothing = {"vectors": 0, "dead": 0, "stray": [], "search": None, "export": None}
        return {"images": {}, "rejects": {}, **nothing}
    with IndexReader(index) as opened, opened.snapshot():
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
        for x in opened.reject_rows():
            path = str(full_path(x.root, x.path))
            rejects[path] = [x.size, x.mtime_ns, x.stage, x.reason]
            seen[path] += 2
        wrong = {path: times for path, times in seen.items() if times != 2}
        assert not wrong, f"rows lost or doubled: {wrong}"
        segments = opened.segments()
        counts = opened.counts()
        named = {segment_file(Path(index), s.id).name for s in segments}
        named |= {"catalog.sqlite", "catalog.sha256", "writer.lock"}
        named.add("catalog.sqlite-journal")  # one that was never synced means nothing to SQLite
        derived = {
            name: made
            for name in (SEARCH, CENTRE)
            if (made := open_derived(opened.path, name, opened.fingerprint))
        }
        for name, (_, content) in derived.items():
            named |= {f"{name}.json", content.name}
        if vectors:
            queries = np.concatenate([rows for _, rows in opened.blocks()])
            found = open_searcher(opened).nearest(queries, 4)
            exact = ExactSearcher(opened, read_centre(opened)).nearest(queries, 4)
            assert np.allclose(found[0], exact[0], atol=1e-6), "search finds other images"
        files = {
            name
            for folder, _, names in os.walk(index)
            if OUT not in Path(folder).parts  # a killed export leaves its draft there
            for name in names
        }
    return {
        "images": images,
        "rejects": rejects,
        "vectors": counts["vectors"],
        "dead": sum(s.rows for s in segments) - len(vectors),
        "stray": sorted(files - named),
        "search": derived[SEARCH][0]["last_id"] if SEARCH in derived else None,
        "export": exported(Path(index, OUT)),
    }
