"""`map_index`: from an index to a plane with all its images, which stays in the index."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.core.paths import folder_label, full_path
from embedtool.core.tables import write_table
from embedtool.core.types import PathLike, Progress, Vectors
from embedtool.errors import UsageError
from embedtool.explore.map_file import Map, SavedMap, read_map, save_map
from embedtool.explore.map_placement import place_new
from embedtool.explore.neighbour_graph import neighbour_graph
from embedtool.explore.umap_layout import principal_coordinates, umap_layout
from embedtool.store.cluster_labels import read_clusters
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

NEIGHBOURS = 30  # or all that the graph has. Held-back clothing photos land nearest to their own
# class 0.901 times as often as by their full vectors; with 15 0.885
FEWEST = 5  # vectors; fewer stand by their principal coordinates


def map_index(
    index: PathLike,
    *,
    neighbours: int | None = None,
    seed: int | None = None,
    anew: bool = False,
    progress: Progress | None = None,
) -> Map:
    """All images of an index on a plane: UMAP on its neighbour graph, laid out once and kept.

    Images that came since are placed on the kept map, each by itself, and nothing else on it moves.
    It is laid out again with `anew`, with other neighbours or another seed than it has, when it is
    damaged, and when more images were placed than laid out, which a note says.
    neighbours: of UMAP, at least 2, [default: those of the kept map, or 30]; seed: [0].
    Raises UsageError (neighbours below 2, no image), IndexLocked where the map must change and
    another process writes.
    """
    if neighbours is not None and neighbours < 2:
        raise UsageError(f"expected at least 2 neighbours, received {neighbours}")
    with IndexReader(index) as opened, opened.snapshot():
        live = opened.places_after(0)["id"]
        if not live.size:
            raise UsageError(
                f"{opened.path} holds no image. Fill it: embedtool index PHOTOS --index "
                f"{opened.path}"
            )
        kept = None if anew else _kept(opened, neighbours, seed)
        if kept and np.array_equal(kept.ids, live):
            return _with_images(opened, kept, [])
    with Writer(index) as writer:
        saved, notes = _renewed(writer, kept, neighbours, seed, progress)
        save_map(writer, saved)
        return _with_images(writer, saved, notes)


def map_points(found: Map) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The columns of a map and a row an image: path, x, y, cluster ("noise", or "" where `cluster`
    never ran), label, and prediction and probability for a map with predictions."""
    clusters = [""] * len(found.paths)
    if found.clusters is not None:
        clusters = [found.cluster_names[c] if c >= 0 else "noise" for c in found.clusters.tolist()]
    columns = {
        "path": [str(path) for path in found.paths],
        "x": found.coordinates[:, 0].tolist(),
        "y": found.coordinates[:, 1].tolist(),
        "cluster": clusters,
        "label": found.labels,
    }
    if found.predictions is not None and found.probabilities is not None:
        columns |= {
            "prediction": found.predictions,
            "probability": found.probabilities.tolist(),
        }
    return tuple(columns), list(zip(*columns.values(), strict=True))


def write_coordinates(found: Map, path: PathLike) -> None:
    """Write the points of a map as CSV, or Parquet where the name ends so, with the columns that
    embedding-atlas takes as --x and --y: projection_x, projection_y."""
    columns, rows = map_points(found)
    atlas = {"x": "projection_x", "y": "projection_y"}
    write_table(path, [atlas.get(name, name) for name in columns], rows)


def _kept(index: IndexReader, neighbours: int | None, seed: int | None) -> SavedMap | None:
    """The kept map, where it is what is asked for."""
    saved = read_map(index)
    if saved is None:
        return None
    same = neighbours in (None, saved.neighbours) and seed in (None, saved.seed)
    return saved if same else None


def _renewed(
    writer: Writer,
    kept: SavedMap | None,
    neighbours: int | None,
    seed: int | None,
    progress: Progress | None,
) -> tuple[SavedMap, list[str]]:
    live = writer.places_after(0)["id"]
    if kept is not None:
        there = np.isin(kept.ids, live, assume_unique=True)
        laid = int((there & ~kept.placed).sum())
        new = len(live) - int(there.sum())
        if laid > 0 and len(live) - laid <= laid:
            left = replace(
                kept,
                ids=kept.ids[there],
                coordinates=kept.coordinates[there],
                placed=kept.placed[there],
            )
            note = f"{new:,} new placed on the kept map; --anew lays all out again"
            return place_new(writer, left, progress=progress), [note] if new else []
    notes = ["laid out again: more images were placed than laid out"] if kept else []
    before = kept or read_map(writer)
    if neighbours is None:
        neighbours = before.neighbours if before else NEIGHBOURS
    if seed is None:
        seed = before.seed if before else 0
    return _laid_out(writer, neighbours, seed, progress), notes


def _laid_out(writer: Writer, neighbours: int, seed: int, progress: Progress | None) -> SavedMap:
    graph = neighbour_graph(writer, progress=progress)
    places = writer.places_after(0)

    def blocks() -> Iterator[tuple[npt.NDArray[np.int64], Vectors]]:
        return writer.blocks_at(places)

    start = principal_coordinates(blocks, len(places), 2)
    if len(places) >= FEWEST and graph.centre.any():
        start = umap_layout(
            graph.indices,
            graph.similarities,
            start,
            neighbours=neighbours,
            seed=seed,
            progress=progress,
        )
    return SavedMap(
        graph.ids, start, np.zeros(len(places), np.bool_), graph.centre, neighbours, seed
    )


def _with_images(index: IndexReader, saved: SavedMap, notes: list[str]) -> Map:
    """The map, image by image."""
    rows, vectors = list(index.rows()), np.fromiter(index.vectors(), np.int64)
    where = np.searchsorted(saved.ids, vectors)
    found = read_clusters(index)
    clusters = None
    if found is not None:
        labels, there = found.of(saved.ids)
        clusters = labels[where]
        if late := int((~there).sum()):
            notes.append(f"{late:,} came after the clusters: embedtool cluster {index.path}")
    full = [os.path.join(row.root, row.path) for row in rows]
    return Map(
        index=index.path,
        paths=tuple(full_path(row.root, row.path) for row in rows),
        vectors=vectors,
        coordinates=saved.coordinates[where],
        placed=saved.placed[where],
        labels=tuple(os.fsdecode(folder_label(row.root, row.path)) for row in rows),
        folders=tuple(os.fsdecode(os.path.dirname(path)) for path in full),
        dates=np.array([datetime.fromtimestamp(row.mtime_ns // 10**9) for row in rows], "M8[s]"),
        clusters=clusters,
        cluster_names=found.names if found else (),
        neighbours=saved.neighbours,
        seed=saved.seed,
        notes=tuple(notes),
    )
