"""What is in an index, what was refused, is it whole, does this machine still agree with it."""

import json
import os
from typing import Any

from embedtool.derived import read_about
from embedtool.errors import DerivedDamaged, ModelMismatch
from embedtool.store import Index
from embedtool.types import EXACT_ROWS, PathLike, Reject

DOCTOR_TOLERANCE = 1e-3  # 1 - cosine; another CPU's rounding moves int8 vectors by less


def index_info(index: PathLike) -> dict[str, Any]:
    """What an index holds: model, counts, roots, sizes in bytes. dead_rows lie in vector files and
    stand for no image any more; `compact` removes them."""
    with Index(index) as opened, opened.snapshot():
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
            "certificate": _certificate(opened),
        }


def _certificate(index: Index) -> dict[str, Any] | None:
    """What approximate search promises; None where search is exact."""
    if index.counts()["vectors"] <= EXACT_ROWS:
        return None
    try:
        about = read_about(index.path, "search")
    except DerivedDamaged:
        return None
    return about and about["certificate"]


def index_rejects(index: PathLike) -> list[Reject]:
    """Every file an index refused, by path, with stage and reason."""
    with Index(index) as opened:
        return opened.rejects()


def verify_index(index: PathLike) -> list[str]:
    """Re-hash every vector file and check the catalogue; what is wrong, or [] if it is whole."""
    with Index(index) as opened, opened.snapshot():
        return opened.verify()


def doctor_index(index: PathLike) -> list[float]:
    """Embed the golden pictures again: the cosine of each with what the index remembers.

    Raises ModelMismatch where one is under 1 - DOCTOR_TOLERANCE: this machine's model, decoder or
    runtime makes other vectors than the index holds.
    """
    from embedtool.embed import embed_golden, embedder_of  # the others need no network

    with Index(index) as opened:
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
