"""`import_vectors`: an index of the vectors that another program, or an export, brings."""

import hashlib
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from embedtool.core.atomic_files import publish_folder
from embedtool.core.extras import require
from embedtool.core.types import (
    IMPORTED,
    PathLike,
    Recipe,
    Source,
    Vectors,
    imported_recipe,
    unit_rows,
)
from embedtool.errors import EmbedtoolError, UsageError
from embedtool.interchange.card import CARD_FILE, read_card
from embedtool.interchange.incoming import IncomingImage, IncomingVectors
from embedtool.interchange.read_arrays import read_arrays, read_export_folder
from embedtool.search.refresh import refresh_search
from embedtool.store.writer import Writer, create

EXPECTED = (
    "expected a clip-retrieval folder (img_emb and metadata), a .npy file with --paths, or an "
    "export of embedtool (parquet, npy, clip-retrieval, embedding-atlas)"
)


@dataclass(frozen=True)
class ImportReport:
    """What `import_vectors` made. images: the rows taken in; vectors: those of distinct content."""

    index: Path
    model: str
    images: int
    vectors: int
    dim: int
    notes: tuple[str, ...]


def import_vectors(
    path: PathLike,
    *,
    index: PathLike,
    paths: PathLike | None = None,
    root: PathLike | None = None,
    model: str | None = None,
) -> ImportReport:
    """Make an index of the vectors at `path`; the photos are not needed.

    path: a clip-retrieval folder, a .npy file (n, d) of float16, float32 or float64 with `paths`
    (a text file, one path a row, by line or ended by NUL), or an export of ours as parquet, npy,
    clip-retrieval or embedding-atlas. root: relative paths are below it, by default the current
    folder. Each row is scaled to length 1 and stored as float16; an export of ours comes back with
    the same stored bytes, in all four formats (under some 50 dimensions one row in a hundred may
    differ in a last bit).

    An export of ours keeps its model, roots, sizes and times: new photos can query the import, and
    `index_photos` goes on with it. Other vectors are of the model that `model` names, else of their
    own content, so that no index holds vectors of two origins; such an index is queried by the path
    or the row of an image in it. A column sha256 tells which images are one content; without one
    each path is its own.

    The index is made under a hidden name beside `index`, and renamed when it is whole: interrupted
    or failed, there is nothing under `index`. Raises UsageError, EmbedtoolError (which row is wrong
    and how; `index` is there already; a library is missing).
    """
    path, target = Path(path), Path(index)
    if os.path.lexists(target):
        raise EmbedtoolError(
            f"{target} is there already, and an import makes a new index: embedtool import {path} "
            f"--index {target}-2"
        )
    shipment = _open(path, None if paths is None else Path(paths))
    name, recipe, golden = _origin(shipment, model)
    base = os.path.abspath(os.fsencode(os.curdir if root is None else root))
    with publish_folder(target, existing="refuse") as draft:
        writer = create(
            draft,
            model=name,
            recipe=recipe,
            dim=shipment.dim,
            golden=golden,
            created_by=f"embedtool {version('embedtool')} import",
        )
        with writer:
            _fill(writer, shipment, base)
            refresh_search(writer)
            counts = writer.counts()
    notes = () if shipment.card else ("made elsewhere: query by a path in the index, or by --row",)
    return ImportReport(target, name, counts["images"], counts["vectors"], shipment.dim, notes)


def _open(path: Path, paths: Path | None) -> IncomingVectors:
    if path.is_dir():
        return _open_folder(path, paths)
    with open(path, "rb") as file:
        head = file.read(6)
    if head == b"\x93NUMPY":
        if paths is None:
            raise _need_paths(path)
        return read_arrays([path], paths)
    if head[:4] == b"PAR1":
        if paths is not None:
            raise UsageError(f"{path} names its images itself: leave --paths out")
        require("pyarrow")
        from embedtool.interchange.read_parquet import read_table

        return read_table(path)
    raise EmbedtoolError(f"{EXPECTED}; {path} is none of these")


def _open_folder(path: Path, paths: Path | None) -> IncomingVectors:
    card_file = path / CARD_FILE
    card = read_card(card_file.read_bytes(), card_file) if card_file.is_file() else None
    if card and card.format == "npy":
        return read_export_folder(path, card)
    arrays = sorted((path / "img_emb").glob("*.npy"))
    if not arrays:
        raise EmbedtoolError(f"{EXPECTED}; {path} is none of these")
    if paths is not None:
        return read_arrays(arrays, paths)
    tables = sorted((path / "metadata").glob("*.parquet"))
    if not tables:
        raise _need_paths(path)
    require("pyarrow")
    from embedtool.interchange.read_parquet import read_parts

    return read_parts(arrays, tables)


def _need_paths(path: Path) -> UsageError:
    return UsageError(
        f"{path} does not name its images: add --paths FILE, a text file with one path a line"
    )


def _origin(shipment: IncomingVectors, model: str | None) -> tuple[str, Recipe, Vectors]:
    """Model, recipe and golden vectors: an export's own, or such as tell this origin apart."""
    card = shipment.card
    if card is not None:
        if model not in (None, card.model):
            raise UsageError(f"this export says its model is {card.model}: leave --model out")
        if card.dim != shipment.dim:
            raise EmbedtoolError(
                f"expected {card.dim} dimensions, as the export says of itself; its vectors have "
                f"{shipment.dim}"
            )
        return card.model, card.recipe, card.golden
    if model is None:
        digest = hashlib.sha256()
        for file in shipment.files:
            with open(file, "rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
        model = digest.hexdigest()[:16]
    golden = np.empty((0, shipment.dim), np.float32)
    return f"{IMPORTED}:{model}", imported_recipe(model), golden


def _fill(writer: Writer, shipment: IncomingVectors, base: bytes) -> None:
    stored: set[bytes] = set()  # digests of contents that have their vector
    rows_of: dict[bytes, int] = {}  # digest of a path -> its row: 32 bytes, however long the path
    first = 0
    for arrivals, raw in shipment.blocks:
        vectors, images = [], []
        rows = unit_rows(raw, first=first)
        for number, (arrival, row) in enumerate(zip(arrivals, rows, strict=True), first):
            source = _source(arrival, base, number)
            full = os.path.join(source.root, source.path)
            own = hashlib.sha256(f"{IMPORTED}:".encode() + full).digest()
            if rows_of.setdefault(own, number) != number:
                raise EmbedtoolError(
                    f"rows {rows_of[own]} and {number} have one path, {os.fsdecode(full)}: "
                    "expected each image once"
                )
            digest = arrival.digest or own
            if len(digest) != len(own):
                raise EmbedtoolError(f"row {number} has a sha256 of {len(digest)} bytes, not 32")
            if digest not in stored:
                stored.add(digest)
                vectors.append((digest, row))
            images.append((source, digest))
        writer.commit(vectors=vectors, images=images, renames=[], rejects=[])
        first += len(arrivals)
    if first != shipment.rows:
        raise EmbedtoolError(f"expected {shipment.rows} rows, {first} could be read")


def _source(arrival: IncomingImage, base: bytes, number: int) -> Source:
    """Where an image stands: below its own root, below `base`, or else in its folder."""
    if not arrival.path or b"\0" in arrival.path:
        raise EmbedtoolError(f"row {number} has no path, or one with a NUL in it")
    path = os.path.abspath(os.path.join(base, arrival.path))
    above = (arrival.root or base).rstrip(b"/") + b"/"
    if not path.startswith(above):
        above = os.path.join(os.path.dirname(path), b"")
    size, mtime_ns = arrival.size, arrival.mtime_ns
    if size is None or mtime_ns is None:
        there = os.stat(path) if os.path.isfile(path) else None
        size, mtime_ns = (there.st_size, there.st_mtime_ns) if there else (0, 0)
    return Source(above.rstrip(b"/") or b"/", path[len(above) :], size, mtime_ns)
