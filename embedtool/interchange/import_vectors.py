"""`import_vectors`: make an index of the vectors of another program or of an export."""

import hashlib
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from embedtool.core.atomic_files import publish_folder
from embedtool.core.extras import require
from embedtool.core.foreign_files import open_regular
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
from embedtool.search.refresh import refresh_search_index
from embedtool.store.writer import Writer, create

EXPECTED = (
    "expected a clip-retrieval folder (img_emb and metadata), a .npy file with --paths, or an "
    "export of embedtool (parquet, npy, clip-retrieval, embedding-atlas)"
)


@dataclass(frozen=True)
class ImportReport:
    """The result of `import_vectors`. images: the rows imported; vectors: the distinct contents."""

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
    """Make an index from vectors of another program, or from an export. No photos are needed.

    path: a clip-retrieval folder, a .npy file (n, d) of float16, float32 or float64 with `paths`
    (a text file of one path per row, each ended by a line break or by NUL), or an embedtool export
    as parquet, npy, clip-retrieval or embedding-atlas. index: the folder of the new index. root:
    the folder that relative paths start from; default: the current folder. Each row is normalised
    to length 1 and stored as float16. An embedtool export gives the same stored bytes again, in all
    four formats (below some 50 dimensions, one row in a hundred may differ in a last bit).

    An embedtool export keeps its model, roots, sizes and times: new photos can query the imported
    index, and `index_photos` can update it. For other vectors, `model` is a name for the model; by
    default it is the digest of the vectors, so that no index mixes vectors of two origins. Such an
    index is queried by the path or the row of an image in it. Images with equal values in a column
    sha256 have one content; without this column, each path is a content of its own.

    The index is made under a hidden name beside `index`, and renamed when it is complete. If the
    import fails or is interrupted, `index` does not exist. Raises UsageError, EmbedtoolError (which
    row is wrong and how; `index` already exists; a library is missing).

    >>> import numpy as np
    >>> np.save("rows.npy", np.eye(3, 64))
    >>> np.savetxt("paths.txt", ["a.jpg", "b.jpg", "c.jpg"], fmt="%s")
    >>> report = embedtool.import_vectors("rows.npy", paths="paths.txt", index="indexes/made")
    >>> report.images, report.dim
    (3, 64)
    """
    path, target = Path(path), Path(index)
    if os.path.lexists(target):
        raise EmbedtoolError(
            f"expected a new folder for the index, but {target} exists. Run: embedtool import "
            f"{path} --index {target}-2"
        )
    incoming = _open(path, None if paths is None else Path(paths))
    name, recipe, golden = _identify_model(incoming, model)
    default_root = os.path.abspath(os.fsencode(os.curdir if root is None else root))
    with publish_folder(target, existing="refuse") as draft:
        writer = create(
            draft,
            model=name,
            recipe=recipe,
            dim=incoming.dim,
            golden=golden,
            created_by=f"embedtool {version('embedtool')} import",
            training_images=incoming.card.training_images if incoming.card else None,
        )
        with writer:
            _write_rows(writer, incoming, default_root)
            refresh_search_index(writer)
            counts = writer.counts()
    notes = (
        ()
        if incoming.card
        else (
            "the vectors were made by another program: search by the path of an indexed image or "
            "by --row",
        )
    )
    return ImportReport(target, name, counts["images"], counts["vectors"], incoming.dim, notes)


def _open(path: Path, paths: Path | None) -> IncomingVectors:
    if path.is_dir():
        return _open_folder(path, paths)
    with open_regular(path, follow=True) as file:
        head = file.read(6)
    if head == b"\x93NUMPY":
        if paths is None:
            raise _paths_needed(path)
        return read_arrays([path], paths)
    if head[:4] == b"PAR1":
        if paths is not None:
            raise UsageError(f"{path} already has the paths of its images. Leave out --paths")
        require("pyarrow")
        from embedtool.interchange.read_parquet import read_parquet

        return read_parquet(path)
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
        raise _paths_needed(path)
    require("pyarrow")
    from embedtool.interchange.read_parquet import read_clip_retrieval

    return read_clip_retrieval(arrays, tables)


def _paths_needed(path: Path) -> UsageError:
    return UsageError(
        f"{path} has no paths of images. Add --paths FILE, a text file with one path per line"
    )


def _identify_model(incoming: IncomingVectors, model: str | None) -> tuple[str, Recipe, Vectors]:
    """Return the model, the recipe and the vectors of the reference images, as in the export or for
    an unknown model."""
    card = incoming.card
    if card is not None:
        if model not in (None, card.model):
            raise UsageError(
                f"this export already names its model, {card.model}. Leave out --model"
            )
        if card.dim != incoming.dim:
            raise EmbedtoolError(
                f"expected vectors of {card.dim} dimensions, as the export says, received "
                f"{incoming.dim}. Export the index again"
            )
        return card.model, card.recipe, card.golden
    if model is None:
        digest = hashlib.sha256()
        for file in incoming.vector_files:
            with open(file, "rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
        model = digest.hexdigest()[:16]
    golden = np.empty((0, incoming.dim), np.float32)
    return f"{IMPORTED}:{model}", imported_recipe(model), golden


def _write_rows(writer: Writer, incoming: IncomingVectors, default_root: bytes) -> None:
    stored: set[bytes] = set()  # digests of contents whose vector is stored
    rows_of: dict[bytes, int] = {}  # digest of a path -> its row: 32 bytes for a path of any length
    first = 0
    for block, raw in incoming.blocks:
        vectors, images = [], []
        rows = unit_rows(raw, first=first)
        for number, (image, row) in enumerate(zip(block, rows, strict=True), first):
            source = _locate(image, default_root, number)
            path = os.path.join(source.root, source.path)
            path_digest = hashlib.sha256(f"{IMPORTED}:".encode() + path).digest()
            if rows_of.setdefault(path_digest, number) != number:
                raise EmbedtoolError(
                    f"expected each path once, but rows {rows_of[path_digest]} and {number} both "
                    f"have {os.fsdecode(path)}"
                )
            digest = image.digest or path_digest
            if len(digest) != len(path_digest):
                raise EmbedtoolError(
                    f"row {number}: expected a sha256 of 32 bytes, received {len(digest)} bytes"
                )
            if digest not in stored:
                stored.add(digest)
                vectors.append((digest, row))
            images.append((source, digest))
        writer.commit(vectors=vectors, images=images, renames=[], rejects=[])
        first += len(block)
    if first != incoming.rows:
        raise EmbedtoolError(
            f"expected {incoming.rows} rows, but only {first} could be read. Write the files again"
        )


def _locate(image: IncomingImage, default_root: bytes, number: int) -> Source:
    """Return the source of an image, with its own root, `default_root` or else its folder."""
    if not image.path or b"\0" in image.path:
        raise EmbedtoolError(
            f"row {number}: expected a path without a NUL byte, received "
            f"{os.fsdecode(image.path)!r}. Correct the path and import again"
        )
    path = os.path.abspath(os.path.join(default_root, image.path))
    root = (image.root or default_root).rstrip(b"/") + b"/"
    if not path.startswith(root):
        root = os.path.join(os.path.dirname(path), b"")
    size, mtime_ns = image.size, image.mtime_ns
    if size is None or mtime_ns is None:
        there = os.stat(path) if os.path.isfile(path) else None
        size, mtime_ns = (there.st_size, there.st_mtime_ns) if there else (0, 0)
    return Source(root.rstrip(b"/") or b"/", path[len(root) :], size, mtime_ns)
