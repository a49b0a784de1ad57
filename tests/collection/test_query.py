"""Queries of a search: which vector is searched for."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.indexes import run
from support.vectors import built as built
from support.vectors import large as large

from embedtool.collection import query
from embedtool.collection.open_index import OpenIndex, Session
from embedtool.core.types import Vectors
from embedtool.errors import ImageRejected, UsageError
from embedtool.store.reader import IndexReader


@pytest.mark.parametrize("change", ["time", "size", "both"])
def test_a_file_that_changed_is_embedded_again(
    index: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Even at equal size: its stored vector is that of the old content."""
    run(index, photos)
    embedded: list[str] = []

    def embed(session: Session, name: query.Query) -> tuple[str, Vectors]:
        assert isinstance(name, Path)
        embedded.append(name.name)
        return "new", session.reader.vectors_of(np.array([1]))

    monkeypatch.setattr(query, "_embed", embed)
    file = photos / "1.png"
    before = file.stat()
    if change != "time":
        file.write_bytes(file.read_bytes() + b"more")
    os.utime(file, ns=(0, before.st_mtime_ns + (change != "size")))
    paths = [photos / "0.png", file, photos / "2.png"]
    found = query.search_index(OpenIndex(index), paths, k=1)
    assert embedded == ["1.png"]
    assert [one.query for one in found] == [str(paths[0]), "new", str(paths[2])]


def test_a_file_that_is_gone_is_searched_by_its_stored_vector(index: Path, photos: Path) -> None:
    run(index, photos)
    with IndexReader(index) as opened:
        stored = opened.image_at(photos / "1.png")
    assert stored
    (photos / "1.png").unlink()
    [found] = query.search_index(OpenIndex(index), [photos / "1.png"], k=1)
    assert [match.path for match in found.matches] == [photos / "1.png"]
    assert np.isclose(found.matches[0].similarity, 1)


@pytest.mark.parametrize(
    ("k", "message"), [(0, "k of at least 1, received 0"), (-1, "received -1")]
)
def test_how_many_matches_there_can_be(index: Path, k: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        query.search_index(OpenIndex(index), [], rows=[1], k=k)


def test_a_query_that_cannot_be_used_is_named(photos: Path) -> None:
    broken = photos / "bad.jpg"
    with pytest.raises(ImageRejected, match=f"cannot use the query image {broken}: "):
        query._file_pixels(broken, str(broken), 32)


def test_a_query_of_several_that_cannot_be_used_is_left_out(
    index: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(index, photos)
    monkeypatch.setattr(query, "_embed", lambda session, name: query._file_pixels(name, name, 32))
    opened, bad = OpenIndex(index), photos / "bad.jpg"
    with pytest.warns(UserWarning, match=f"cannot use the query image {bad}: .*it is left out"):
        found = query.search_index(opened, [bad, photos / "1.png"], k=1, on_reject="skip")
    assert [one.query for one in found] == [str(photos / "1.png")]
    with pytest.warns(UserWarning, match="it is left out"):
        [of_row] = query.search_index(opened, [bad], rows=[1], k=1, on_reject="skip")
    assert of_row.query == str(photos / "0.png")
    with pytest.raises(ImageRejected), pytest.warns(UserWarning, match="missing"):
        query.search_index(opened, [photos / "missing.jpg", bad], on_reject="skip")
    with pytest.raises(ImageRejected, match="cannot use the query image"):
        query.search_index(opened, [photos / "1.png", bad])
    with pytest.raises(UsageError, match='"raise" or "skip", received \'nan\''):
        query.search_index(opened, [bad], on_reject="nan")  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_search_without_requirements_builds_nothing(large: Path) -> None:
    shutil.rmtree(large / "derived")
    [found] = query.search_index(OpenIndex(large), [], rows=[7], k=3)
    assert found.certificate is None and len(found.matches) == 3
    assert not (large / "derived").exists()
