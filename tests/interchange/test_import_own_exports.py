"""Imports of embedtool's own exports: the same index comes back, a changed export is refused."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.exports import COUNT, ODD_NAMES, fill_index, make_copies
from support.imports import assert_refused, segment_bytes, stored_images
from support.pictures import encoded, picture

from embedtool import (
    doctor_index,
    export_index,
    import_vectors,
    index_photos,
    search_photos,
    verify_index,
)
from embedtool.core.types import Source
from embedtool.errors import EmbedtoolError, ModelMismatch, UsageError
from embedtool.search.centre import refresh_centre
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

IMPORTABLE = ("parquet", "npy", "clip-retrieval", "embedding-atlas")


@pytest.mark.parametrize("format", IMPORTABLE)
def test_an_import_of_an_export_is_the_same_index(tmp_path: Path, format: str) -> None:
    fill_index(tmp_path / "index", COUNT, ODD_NAMES)
    with Writer(tmp_path / "index") as writer:
        refresh_centre(writer)  # as an index run ends, and an import
    export_index(tmp_path / "index", tmp_path / "out.parquet", format=format)
    report = import_vectors(tmp_path / "out.parquet", index=tmp_path / "back")
    assert (report.model, report.images, report.vectors) == ("fake", COUNT, COUNT - 2)
    assert report.notes == ()
    assert stored_images(tmp_path / "back") == stored_images(tmp_path / "index")
    assert verify_index(tmp_path / "back") == []
    with IndexReader(tmp_path / "index") as one, IndexReader(tmp_path / "back") as other:
        assert (one.model, one.recipe, one.dim) == (other.model, other.recipe, other.dim)
        assert np.array_equal(one.golden, other.golden)
    queries: dict[str, Any] = {"rows": [1, 4, COUNT], "k": 20}
    assert search_photos(tmp_path / "back", **queries) == search_photos(
        tmp_path / "index", **queries
    )


@pytest.mark.parametrize("format", IMPORTABLE)
def test_stored_bytes_of_a_real_network_come_back(drawn: Path, tmp_path: Path, format: str) -> None:
    index_photos(drawn, index=tmp_path / "index", model="builtin")
    export_index(tmp_path / "index", tmp_path / "out.parquet", format=format)
    import_vectors(tmp_path / "out.parquet", index=tmp_path / "back")
    assert segment_bytes(tmp_path / "back") == segment_bytes(tmp_path / "index")
    assert min(doctor_index(tmp_path / "back")) > 0.999
    new = tmp_path / "new.png"
    new.write_bytes(encoded(picture(3), "PNG"))
    [one], [other] = (search_photos(tmp_path / name, new, k=9) for name in ("index", "back"))
    assert one == other and len(one.matches) == 9
    report = index_photos(drawn, index=tmp_path / "back")
    assert (report.unchanged, report.added, report.updated, report.removed) == (37, 0, 0, 0)
    with pytest.raises(ModelMismatch, match="cannot be mixed"):
        index_photos(drawn, index=tmp_path / "back", model="builtin", precision="float32")


paths = st.binary(min_size=1, max_size=12).filter(
    lambda p: not set(p) & {0, ord("/")} and p not in (b".", b"..")
)


@pytest.mark.slow
@given(st.lists(paths, min_size=1, max_size=6, unique=True), st.sampled_from(IMPORTABLE))
@example([b"\r", b"a\n", b"\xff", "\ufffd".encode()], "npy")
@example([b"\r", b"a\n", b"\xff", "\ufffd".encode()], "parquet")
@settings(max_examples=20, deadline=None)
def test_any_path_comes_back(
    tmp_path_factory: pytest.TempPathFactory, names: list[bytes], format: str
) -> None:
    folder = tmp_path_factory.mktemp("paths")
    make_copies(folder / "index", [Source(b"/top/" + name, name, 1, 2) for name in names])
    export_index(folder / "index", folder / "out.parquet", format=format)
    import_vectors(folder / "out.parquet", index=folder / "back")
    assert stored_images(folder / "back") == stored_images(folder / "index")
    if format == "npy":  # the plain half of it serves as well
        made = folder / "out.parquet"
        import_vectors(made / "vectors.npy", paths=made / "paths.txt", index=folder / "plain")
        found = [os.path.join(root, path) for root, path, *_ in stored_images(folder / "plain")]
        assert found == [b"/top/" + name + b"/" + name for name in names]


def test_an_export_that_was_changed_is_refused(tmp_path: Path) -> None:
    fill_index(tmp_path / "ours", 20, {})
    export_index(tmp_path / "ours", tmp_path / "npy", format="npy")
    card_file, table = tmp_path / "npy" / "embedtool.json", tmp_path / "npy" / "images.jsonl"
    card, lines = json.loads(card_file.read_text()), table.read_text().splitlines()

    def refused(message: str) -> None:
        assert_refused(message, path=tmp_path / "npy", index=tmp_path / "index")

    for change, message in (
        ({"fingerprint": "0" * 64}, "do not match"),
        ({"embedtool export": 2}, "by a newer embedtool"),
        ({"dim": 50}, "damaged"),
        ({"dim": -1, "golden": ""}, "damaged|do not match"),
        ({"golden": "!"}, "damaged"),
        ({"recipe": {"weights": "x"}}, "damaged"),
        ({"recipe": None}, "damaged"),
    ):
        card_file.write_text(json.dumps(card | change))
        refused(message)
    for text in ("", "[]", "{", "[" * 100_000):
        card_file.write_text(text)
        refused("damaged")
    card_file.write_text(json.dumps(card | {"dim": 7}))
    refused("expected vectors of 7 dimensions")
    card_file.write_text(json.dumps(card))
    for line in ("", "{}", "[]", "x", json.dumps(json.loads(lines[2]) | {"size": 2**70}),
                 json.dumps(json.loads(lines[2]) | {"path": "\ud800"})):  # fmt: skip
        table.write_text("\n".join([*lines[:2], line, *lines[3:]]) + "\n")
        refused("line 3 of .* is damaged")
    table.write_text("\n".join(lines[:-1]) + "\n")
    refused("20 vectors.*19 images")
    table.write_text("\n".join(lines) + "\n")
    with pytest.raises(UsageError, match="already names its model, fake"):
        import_vectors(tmp_path / "npy", index=tmp_path / "index", model="other")
    assert import_vectors(tmp_path / "npy", index=tmp_path / "index", model="fake").images == 20


def test_npy_needs_no_other_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_index(tmp_path / "ours", 20, {})
    export_index(tmp_path / "ours", tmp_path / "x.parquet")
    for library in ("pyarrow", "h5py"):
        monkeypatch.setitem(sys.modules, library, None)
    export_index(tmp_path / "ours", tmp_path / "npy", format="npy")
    assert import_vectors(tmp_path / "npy", index=tmp_path / "index").images == 20
    with pytest.raises(EmbedtoolError, match="pip install 'pyarrow>=16'"):
        import_vectors(tmp_path / "x.parquet", index=tmp_path / "other")
