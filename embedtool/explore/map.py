"""`map_index`: lay out the images of an index on a plane, and save this map in the index."""

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
from embedtool.explore.map_file import SavedMap, read_map, save_map
from embedtool.explore.map_placement import place_new_images
from embedtool.explore.neighbour_graph import neighbour_graph
from embedtool.explore.results import Map
from embedtool.explore.umap_layout import principal_coordinates, umap_layout
from embedtool.store.cluster_labels import read_clusters
from embedtool.store.layout import without_images
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

NEIGHBOURS = 30  # or all that the graph has. The nearest class on the map is right for held-out
# clothing photos 0.901 times as often as with full vectors; with 15 neighbours 0.885 times
MIN_VECTORS = 5  # with fewer, the map is their principal coordinates


def map_index(
    index: IndexReader,
    *,
    neighbours: int | None = None,
    seed: int | None = None,
    rebuild: bool = False,
    progress: Progress | None = None,
) -> Map:
    """Return the map of an index: the UMAP layout of its neighbour graph, computed once and saved.

    New images are placed on the saved map one by one, and the others stay where they are. The whole
    map is laid out again with `rebuild`, if neighbours or seed differ from the saved map, if the
    saved map is damaged, and if more than half of its images were placed later, which a note
    reports.
    neighbours: the number of neighbours that UMAP considers, at least 2 [default: as in the saved
    map, or 30]; seed: [default: as in the saved map, or 0].
    Raises UsageError (neighbours below 2, an index without images), IndexLocked if the map must
    change while another process is writing.
    """
    if neighbours is not None and neighbours < 2:
        raise UsageError(f"expected at least 2 neighbours, received {neighbours}")
    with index.snapshot():
        live = index.places_after(0)["id"]
        if not live.size:
            raise without_images(index.path)
        current = None if rebuild else _matching_map(index, neighbours, seed)
        if current and np.array_equal(current.ids, live):
            return _with_images(index, current, [])
    with Writer(index.path, files=index.files) as writer:
        saved, notes = _updated(writer, current, neighbours, seed, progress)
        save_map(writer, saved)
        return _with_images(writer, saved, notes)


def map_points(found: Map) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Return the column names of a map and one row per image: path, x, y, cluster ("noise" for a
    noise point, "" if `cluster` never ran), label, and for a map with predictions also prediction
    and probability."""
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


def write_coordinates(found: Map, path: PathLike, *, raw_csv: bool = False) -> None:
    """Write the points of a map as CSV, or as Parquet if the name ends in .parquet. The columns
    projection_x and projection_y are for the options --x and --y of embedding-atlas."""
    columns, rows = map_points(found)
    atlas = {"x": "projection_x", "y": "projection_y"}
    write_table(path, [atlas.get(name, name) for name in columns], rows, raw_csv=raw_csv)


def _matching_map(index: IndexReader, neighbours: int | None, seed: int | None) -> SavedMap | None:
    """Return the saved map if it has these settings."""
    saved = read_map(index)
    if saved is None:
        return None
    same = neighbours in (None, saved.neighbours) and seed in (None, saved.seed)
    return saved if same else None


def _updated(
    writer: Writer,
    current: SavedMap | None,
    neighbours: int | None,
    seed: int | None,
    progress: Progress | None,
) -> tuple[SavedMap, list[str]]:
    live = writer.places_after(0)["id"]
    if current is not None:
        present = np.isin(current.ids, live, assume_unique=True)
        laid_out = int((present & ~current.placed).sum())
        new = len(live) - int(present.sum())
        if len(live) - laid_out <= laid_out:
            remaining = replace(
                current,
                ids=current.ids[present],
                coordinates=current.coordinates[present],
                placed=current.placed[present],
            )
            note = f"{new:,} new images were placed on the saved map; --rebuild computes a new map"
            return place_new_images(writer, remaining, progress=progress), [note] if new else []
    notes = (
        ["the map was computed again, because more than half of its images were placed later"]
        if current
        else []
    )
    before = current or read_map(writer)
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
    if len(places) >= MIN_VECTORS and graph.centre.any():
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
    """Return the map with one entry per image."""
    rows, vectors = list(index.rows()), np.fromiter(index.vector_ids(), np.int64)
    where = np.searchsorted(saved.ids, vectors)
    found = read_clusters(index)
    clusters = None
    if found is not None:
        labels, clustered = found.labels_of(saved.ids)
        clusters = labels[where]
        if late := int((~clustered).sum()):
            notes.append(
                f"{late:,} images were indexed after the last clustering and have no cluster. Run: "
                f"embedtool cluster {index.path}"
            )
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
