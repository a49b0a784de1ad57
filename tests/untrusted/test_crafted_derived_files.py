"""A crafted derived file has a valid checksum: what it holds is checked before it is used."""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command import embedtool_here
from support.indexes import DIM, fill

from embedtool.core.foreign_files import MAX_JSON
from embedtool.errors import DerivedDamaged
from embedtool.explore import map_file, neighbour_graph, thumbnails
from embedtool.explore.map_file import read_map
from embedtool.explore.neighbour_graph import saved_graph
from embedtool.explore.thumbnails import NO_THUMBNAILS, open_thumbnails
from embedtool.store.cluster_labels import CLUSTERS, read_clusters
from embedtool.store.derived import open_arrays, open_derived, publish, publish_arrays
from embedtool.store.reader import IndexReader

COUNT = 5
IDS = np.arange(1, COUNT + 1)
GRAPH: dict[str, Any] = {
    "about": {"recall": 1.0},
    "ids": IDS,
    "indices": np.zeros((COUNT, 2), np.int32),
    "similarities": np.zeros((COUNT, 2), np.float32),
    "centre": np.zeros(DIM, np.float32),
}
MAP: dict[str, Any] = {
    "about": {"neighbours": 3, "seed": 0},
    "ids": IDS,
    "coordinates": np.zeros((COUNT, 2), np.float32),
    "placed": np.zeros(COUNT, np.bool_),
    "centre": np.zeros(DIM, np.float32),
}
LABELS: dict[str, Any] = {
    "about": {"names": ["a", "b"]},
    "ids": IDS,
    "labels": np.zeros(COUNT, np.int32),
    "nearest": np.zeros(COUNT, np.int32),
    "strengths": np.zeros(COUNT, np.float32),
}
READERS: dict[str, tuple[dict[str, Any], Callable[[IndexReader], object]]] = {
    neighbour_graph.NAME: (GRAPH, saved_graph),
    map_file.NAME: (MAP, read_map),
    CLUSTERS: (LABELS, read_clusters),
}
CRAFTED: dict[str, tuple[str, dict[str, Any]]] = {
    "graph that points outside": ("neighbours", {"indices": np.full((COUNT, 2), 99, np.int32)}),
    "graph of negative places": ("neighbours", {"indices": np.full((COUNT, 2), -9, np.int32)}),
    "graph of other lengths": ("neighbours", {"similarities": np.zeros((3, 2), np.float32)}),
    "graph of another centre": ("neighbours", {"centre": np.zeros(3, np.float32)}),
    "graph out of order": ("neighbours", {"ids": IDS[::-1]}),
    "graph of texts": ("neighbours", {"ids": np.array(["x"] * COUNT)}),
    "graph without recall": ("neighbours", {"about": {}}),
    "graph with more": ("neighbours", {"more": IDS}),
    "map of three axes": ("map", {"coordinates": np.zeros((COUNT, 3), np.float32)}),
    "map of no numbers": ("map", {"coordinates": np.full((COUNT, 2), np.nan, np.float32)}),
    "map of a text seed": ("map", {"about": {"neighbours": 3, "seed": "x"}}),
    "map of bytes": ("map", {"placed": np.zeros(COUNT, np.uint8)}),
    "cluster without name": ("clusters", {"labels": np.full(COUNT, 2, np.int32)}),
    "nearest without name": ("clusters", {"nearest": np.full(COUNT, -2, np.int32)}),
    "names of no list": ("clusters", {"about": {"names": 7}}),
    "names of no texts": ("clusters", {"about": {"names": [["a"], "b"]}}),
}


def save(index: Path, name: str, content: dict[str, Any]) -> None:
    arrays = {key: value for key, value in content.items() if key != "about"}
    with IndexReader(index) as opened:
        publish_arrays(index, name, content["about"], fingerprint=opened.fingerprint, **arrays)


@pytest.mark.parametrize("case", CRAFTED)
def test_arrays_that_are_not_ours_are_ignored(index: Path, case: str) -> None:
    fill(index, COUNT)
    name, changes = CRAFTED[case]
    good, read = READERS[name]
    save(index, name, good)
    with IndexReader(index) as opened:
        assert read(opened) is not None
        save(index, name, good | changes)
        assert read(opened) is None


def test_arrays_that_numpy_refuses_are_ignored(index: Path) -> None:
    """A file that is no archive, an array of Python objects, and a compressed one: a small file of
    these could fill the memory."""
    packed, pickled = index / "packed", index / "pickled"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ids.npy", bytes(1 << 20))
    np.savez(pickled, ids=np.array([{}], object))
    contents = [b"none", packed.read_bytes(), pickled.with_suffix(".npz").read_bytes()]
    for content in contents:
        publish(index, "x", "npz", {}, lambda write, c=content: write(c), fingerprint="f")  # type: ignore[misc]
        assert open_arrays(index, "x", "f", ids=(np.int64, "n")) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(16),
        np.array([1, 99, 0], "<i8").tobytes() + b"picture",
        np.array([1, -1, 0], "<i8").tobytes() + b"picture",
    ],
    ids=["empty", "too short", "ends outside", "ends before it begins"],
)
@pytest.mark.parametrize("count", [1, -1, 1 << 60, "1"])
def test_thumbnails_that_are_not_ours_are_ignored(
    index: Path, content: bytes, count: object
) -> None:
    with IndexReader(index) as opened:
        publish(
            index,
            thumbnails.NAME,
            "bin",
            {"count": count},
            lambda write: write(content),
            fingerprint=thumbnails._fingerprint(opened),
        )
        assert open_thumbnails(opened) is NO_THUMBNAILS


def manifest(index: Path, **changes: object) -> None:
    """Change the description of a derived file, with a valid checksum."""
    file = index / "derived" / "x.json"
    content = json.loads(file.read_bytes())
    del content["check"]
    content |= changes
    check = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    file.write_text(json.dumps({**content, "check": check}))


def replaced(make: Callable[[Path, Path], object], name: str) -> Callable[[Path], None]:
    """Put something else in the place of the content or of the description."""

    def craft(index: Path) -> None:
        [file] = (index / "derived").glob(name)
        file.rename(index.parent / "outside")
        make(file, index.parent / "outside")

    return craft


def link(file: Path, outside: Path) -> None:
    file.symlink_to(outside)


def long_file(file: Path) -> None:
    file.touch()
    os.truncate(file, MAX_JSON + 1)


def pipe(file: Path, outside: Path) -> None:
    os.mkfifo(file)


DESCRIPTIONS: dict[str, Callable[[Path], None]] = {
    "content above": lambda index: manifest(index, file="../outside"),
    "content anywhere": lambda index: manifest(index, file=str(index.parent / "outside")),
    "content of another name": lambda index: manifest(index, file="y-0123456789abcdef.npz"),
    "content as number": lambda index: manifest(index, file=1),
    "size as text": lambda index: manifest(index, bytes="1"),
    "description as list": lambda index: manifest(index, about=[]),
    "something more": lambda index: manifest(index, more=1),
    "without end": lambda index: manifest(index, about={"deep": json.loads("[" * 90 + "]" * 90)}),
    "no JSON": replaced(lambda file, _: file.write_bytes(b"[" * 100_000), "x.json"),
    "too long": replaced(lambda file, _: long_file(file), "x.json"),
    "link": replaced(link, "x.json"),
    "pipe": replaced(pipe, "x.json"),
    "content as link": replaced(link, "x-*.npz"),
    "content as pipe": replaced(pipe, "x-*.npz"),
}


@pytest.mark.parametrize("case", DESCRIPTIONS)
def test_a_description_that_is_not_ours_is_a_fault(index: Path, case: str) -> None:
    publish(index, "x", "npz", {}, lambda write: write(b"content"), fingerprint="f")
    assert embedtool_here("verify", index).code == 0
    DESCRIPTIONS[case](index)
    with pytest.raises(DerivedDamaged):
        open_derived(index, "x", "f")
    done = embedtool_here("verify", index)
    assert done.code == 3 and done.err.startswith("fault: "), done.err
    assert done.err.count("\n") == 2
