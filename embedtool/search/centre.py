"""The centre of a collection, which similarity is measured from: the mean of its vectors.

The vectors of photos have a large part in common, which says nothing about a single photo. The
similarity of two vectors is the cosine of their directions from the centre, see
docs/measurements.md. The centre is stored with the index and stays as it is while the collection
grows a little, so that similarities stay comparable.
"""

import hashlib

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Vectors, normalise
from embedtool.search.results import CENTRED, FEWEST_VECTORS, PLAIN
from embedtool.store.derived import CENTRE, open_arrays, publish_arrays
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

SAMPLE = 10_000  # vectors that the mean is taken of, if there are more
RENEWAL_FACTOR = 2  # the centre is renewed if there are this many times as many vectors, or as few
# Variance of the vectors up to which they have no centre: they would be so close to it that their
# directions are those of rounding.
NO_SPREAD = 1e-3
Centre = npt.NDArray[np.float32]  # (d,), zeros for the plain cosine


def directions(rows: Vectors, centre: Centre) -> Vectors:
    """Return the directions (n, d) of unit rows (n, d) from a centre."""
    return normalise(rows - centre)


def no_centre(dim: int) -> Centre:
    """Return the centre for the plain cosine."""
    return np.zeros(dim, np.float32)


def read_centre(index: IndexReader) -> Centre:
    """Return the centre of an index, or zeros if it has none or its file is damaged."""
    found = _read(index)
    return no_centre(index.dim) if found is None else found[0]


def describe_similarity(centre: Centre) -> str:
    """Return what similarity is: the text for users."""
    return CENTRED if centre.any() else PLAIN


def centre_digest(centre: Centre) -> str:
    """Return a name of the centre for certificates; "" for zeros."""
    return hashlib.sha256(centre.astype("<f4").tobytes()).hexdigest()[:16] if centre.any() else ""


def refresh_centre(index: Writer) -> Centre:
    """Return the centre of an index. Compute it if it is missing or of too few or too many vectors.

    The vectors are a seeded choice: a run that was interrupted and continued ends with the same
    centre. An index with fewer than FEWEST_VECTORS keeps what it has."""
    count = index.counts()["vectors"]
    found = _read(index)
    if found and found[1] < RENEWAL_FACTOR * count and count < RENEWAL_FACTOR * found[1]:
        return found[0]
    if count < FEWEST_VECTORS:
        return no_centre(index.dim) if found is None else found[0]
    places = index.places_after(0)
    if len(places) > SAMPLE:
        places = places[np.sort(np.random.default_rng(0).permutation(len(places))[:SAMPLE])]
    mean = np.zeros(index.dim)
    for _, rows in index.blocks_at(places):
        mean += rows.sum(0, dtype=np.float64) / len(places)
    centre = (mean if 1 - mean @ mean > NO_SPREAD else 0 * mean).astype(np.float32)
    publish_arrays(
        index.path, CENTRE, {"vectors": count}, fingerprint=index.fingerprint, centre=centre
    )
    return centre


def _read(index: IndexReader) -> tuple[Centre, int] | None:
    """Return the stored centre and the number of vectors that the index had then."""
    opened = open_arrays(index.path, CENTRE, index.fingerprint, centre=(np.float32, "d"))
    if opened is None:
        return None
    centre, vectors = opened[1]["centre"], opened[0].get("vectors")
    usable = centre.shape == (index.dim,) and centre @ centre <= 1 - NO_SPREAD / 2
    return (centre, vectors) if usable and type(vectors) is int and vectors > 0 else None
