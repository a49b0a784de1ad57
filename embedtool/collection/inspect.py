"""Inspect an index: contents, integrity, and whether this machine computes the same vectors."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from embedtool.collection.results import DeepCheck
from embedtool.core.paths import full_path
from embedtool.core.types import PathLike, Source
from embedtool.errors import ModelMismatch
from embedtool.search.centre import describe_similarity, read_centre
from embedtool.search.published_certificate import read_certificate
from embedtool.search.results import EXACT_ROWS
from embedtool.store.derived import damaged_derived
from embedtool.store.layout import damaged
from embedtool.store.reader import IndexReader

if TYPE_CHECKING:
    from embedtool.models.embedder import Embedder

SAMPLE = 100  # images that a deep check embeds again
DOCTOR_TOLERANCE = 1e-3  # 1 - cosine; rounding on another CPU changes int8 vectors by less


def index_info(index: IndexReader) -> dict[str, Any]:
    """Return the model, the counts, the photo folders (roots) and the sizes in bytes of an index.

    dead_rows is the number of rows in vector files that no longer belong to an image; `compact`
    removes them."""
    with index.snapshot():
        counts, segments = index.counts(), index.segments()
        certificate = read_certificate(index) if counts["vectors"] > EXACT_ROWS else None
        return {
            "index": str(index.path.absolute()),
            "model": index.model,
            "fingerprint": index.fingerprint,
            "recipe": json.loads(index.meta["recipe"]),
            "dim": index.dim,
            "created_by": index.meta["created_by"],
            **counts,
            "dead_rows": sum(segment.rows for segment in segments) - counts["vectors"],
            "roots": [os.fsdecode(root) for root in index.roots()],
            "vector_bytes": sum(segment.bytes for segment in segments),
            "catalogue_bytes": (index.path / "catalog.sqlite").stat().st_size,
            "derived_bytes": sum(
                file.lstat().st_size for file in (index.path / "derived").glob("*")
            ),
            "similarity": describe_similarity(read_centre(index)),
            "certificate": certificate and asdict(certificate),
        }


def verify_index(index: PathLike) -> list[str]:
    """Check every vector file and derived file against its checksum, and check the catalogue.

    Returns one line per fault, [] if there is none."""
    with IndexReader(index) as opened, opened.snapshot():  # a new reader has checked nothing yet
        return [*opened.verify(), *damaged_derived(opened.path)]


def deep_verify_index(
    index: IndexReader,
    open_embedder: Callable[[], "Embedder"],
    *,
    sample: int = SAMPLE,
    seed: int = 0,
) -> DeepCheck:
    """Embed some images again, and compare the vectors with those that are stored.

    A fault is a cosine under 1 - DOCTOR_TOLERANCE, or a file that can no longer be decoded.
    Raises ModelMismatch if the index's model has changed.
    """
    from embedtool.models.embed_files import embed_files

    with index.snapshot():
        count = index.counts()["images"]
        chosen = set(np.random.default_rng(seed).permutation(count)[:sample].tolist())
        stored, sources = {}, []
        for row in (row for number, row in enumerate(index.rows()) if number in chosen):
            image = index.image_at(full_path(row.root, row.path))
            if image and image[0].exists():
                stored[row.root, row.path] = image[1][0]
                sources.append(Source(row.root, row.path, row.size, row.mtime_ns))
    faults, cosines = [], []
    embedder = open_embedder() if sources else None
    for outcome in embed_files(sources, embedder, known=set()) if embedder else ():
        path = full_path(outcome.source.root, outcome.source.path)
        if outcome.reject:
            faults.append(f"{path}: {outcome.reject.reason}")
        elif outcome.vector is not None:  # None for all copies of a file but the first
            row = stored[outcome.source.root, outcome.source.path]
            cosines.append(float(outcome.vector @ row))
            if cosines[-1] < 1 - DOCTOR_TOLERANCE:
                faults.append(
                    f"{path}: embedding it again gives a vector that differs from the stored one "
                    f"(cosine {cosines[-1]:.4f})"
                )
    return DeepCheck(
        compared=len(cosines),
        skipped=len(chosen) - len(sources),
        lowest_cosine=min(cosines, default=None),
        faults=tuple(faults),
    )


def doctor_index(index: IndexReader, embedder: "Embedder") -> list[float]:
    """Embed the reference images, and return the cosine of each with its vector in the index.

    Raises ModelMismatch if one is under 1 - DOCTOR_TOLERANCE: the model, decoder or runtime of this
    machine computes vectors that differ from those in the index.
    """
    from embedtool.models.embedder import embed_golden

    now = embed_golden(embedder)
    if now.shape != index.golden.shape:
        raise damaged(index.path, f"expected {len(now)} reference vectors, not {len(index.golden)}")
    cosines = [float(c) for c in (now * index.golden).sum(1)]
    if min(cosines) < 1 - DOCTOR_TOLERANCE:
        raise ModelMismatch(
            f"this machine computes different vectors from the one that made {index.path}: "
            f"expected a cosine of at least {1 - DOCTOR_TOLERANCE}, received {min(cosines):.4f}. "
            "Index the photos into a new folder, or use the version that the index was made with: "
            f"{index.meta['created_by']}"
        )
    return cosines
