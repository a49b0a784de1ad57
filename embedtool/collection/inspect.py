"""What is in an index, what was refused, is it whole, does this machine still agree with it."""

import json
import os
from typing import Any

import numpy as np

from embedtool.collection.results import DeepCheck
from embedtool.core.paths import full_path
from embedtool.core.types import PathLike, Reject, Source
from embedtool.errors import DerivedDamaged, ModelMismatch
from embedtool.search.results import EXACT_ROWS
from embedtool.store.derived import SEARCH, damaged_derived, read_about
from embedtool.store.reader import IndexReader

SAMPLE = 100  # images that a deep look embeds again
DOCTOR_TOLERANCE = 1e-3  # 1 - cosine; another CPU's rounding moves int8 vectors by less


def index_info(index: PathLike) -> dict[str, Any]:
    """What an index holds: model, counts, roots, sizes in bytes. dead_rows lie in vector files and
    stand for no image any more; `compact` removes them."""
    with IndexReader(index) as opened, opened.snapshot():
        counts, segments = opened.counts(), opened.segments()
        return {
            "index": str(opened.path.absolute()),
            "model": opened.model,
            "fingerprint": opened.fingerprint,
            "recipe": json.loads(opened.meta["recipe"]),
            "dim": opened.dim,
            "created_by": opened.meta["created_by"],
            **counts,
            "dead_rows": sum(segment.rows for segment in segments) - counts["vectors"],
            "roots": [os.fsdecode(root) for root in opened.roots()],
            "vector_bytes": sum(segment.bytes for segment in segments),
            "catalogue_bytes": (opened.path / "catalog.sqlite").stat().st_size,
            "derived_bytes": sum(
                file.stat().st_size for file in (opened.path / "derived").glob("*")
            ),
            "certificate": _certificate(opened) if counts["vectors"] > EXACT_ROWS else None,
        }


def _certificate(index: IndexReader) -> dict[str, Any] | None:
    """What approximate search promises; None where search is exact."""
    try:
        return read_about(index.path, SEARCH, index.fingerprint)
    except DerivedDamaged:
        return None


def index_rejects(index: PathLike) -> list[Reject]:
    """Every file an index refused, by path, with stage and reason."""
    with IndexReader(index) as opened:
        return opened.rejects()


def verify_index(index: PathLike) -> list[str]:
    """Re-hash every vector file and every derived file, and check the catalogue; what is wrong, or
    [] if all is whole."""
    with IndexReader(index) as opened, opened.snapshot():
        return [*opened.verify(), *damaged_derived(opened.path)]


def deep_verify_index(index: PathLike, *, sample: int = SAMPLE, seed: int = 0) -> DeepCheck:
    """Embed some images again, and compare the vectors with those that are stored.

    A fault is a cosine under 1 - DOCTOR_TOLERANCE, or a file that can no longer be decoded.
    Raises ModelMismatch where the index's model is not at hand as it was.
    """
    from embedtool.models.embed_files import embed_files
    from embedtool.models.embedder import embedder_of

    with IndexReader(index) as opened:
        with opened.snapshot():
            count = opened.counts()["images"]
            chosen = set(np.random.default_rng(seed).permutation(count)[:sample].tolist())
            stored, sources = {}, []
            for row in (row for number, row in enumerate(opened.rows()) if number in chosen):
                image = opened.image_at(full_path(row.root, row.path))
                if image and image[0].exists():
                    stored[row.root, row.path] = image[1][0]
                    sources.append(Source(row.root, row.path, row.size, row.mtime_ns))
        faults, cosines = [], []
        embedder = embedder_of(opened.model, opened.recipe) if sources else None
        for outcome in embed_files(sources, embedder, known=set()) if embedder else ():
            path = full_path(outcome.source.root, outcome.source.path)
            if outcome.reject:
                faults.append(f"{path}: {outcome.reject.reason}")
            elif outcome.vector is not None:  # of copies the first
                row = stored[outcome.source.root, outcome.source.path]
                cosines.append(float(outcome.vector @ row))
                if cosines[-1] < 1 - DOCTOR_TOLERANCE:
                    faults.append(f"{path}: its vector is another now (cosine {cosines[-1]:.4f})")
    return DeepCheck(
        compared=len(cosines),
        skipped=len(chosen) - len(sources),
        lowest_cosine=min(cosines, default=None),
        faults=tuple(faults),
    )


def doctor_index(index: PathLike) -> list[float]:
    """Embed the golden pictures again: the cosine of each with what the index remembers.

    Raises ModelMismatch where one is under 1 - DOCTOR_TOLERANCE: this machine's model, decoder or
    runtime makes other vectors than the index holds.
    """
    from embedtool.models.embedder import embed_golden, embedder_of

    with IndexReader(index) as opened:
        now = embed_golden(embedder_of(opened.model, opened.recipe))
        cosines = [float(c) for c in (now * opened.golden).sum(1)]
        if min(cosines) < 1 - DOCTOR_TOLERANCE:
            raise ModelMismatch(
                f"the golden pictures come out otherwise here than when {opened.path} was made "
                f"(cosine {min(cosines):.4f}, expected over {1 - DOCTOR_TOLERANCE}). Index the "
                "photos into a new folder, or use the versions the index was made with: "
                f"{opened.meta['created_by']}"
            )
    return cosines
