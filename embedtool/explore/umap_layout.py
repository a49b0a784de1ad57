"""Coordinates in few dimensions: UMAP on the neighbour graph, and a new point on an existing map.

Takes arrays and the graph; knows no paths. Distances here are chordal, sqrt(2 - 2 similarity): the
straight-line distance between two unit rows.

McInnes, Healy, Melville: UMAP: Uniform Manifold Approximation and Projection, arXiv:1802.03426.
"""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Progress, Vectors
from embedtool.explore.import_umap import import_umap

Coordinates = npt.NDArray[np.float32]  # (n, dimensions)
Blocks = Callable[[], Iterable[tuple[npt.NDArray[np.int64], Vectors]]]
AXES_ROWS = 16_384  # rows that the principal axes are computed from
EPOCHS = 200  # of UMAP; 500 on a small map, as in umap-learn
SMALL_MAP = 10_000
MEDIAN_STEPS = 64  # after these, it moves by less than the width of a drawn point
MIN_DISTANCE = 1e-3  # least distance to a neighbour in the median; maps are some 10 units wide
WIDTH_STEPS = 64  # bisections, which exhaust the precision of float64
SPAN = 100.0  # times the farthest distance: a width at which all neighbours weigh the same
ZERO_DISTANCE = 1e-9  # float32 rows this close are equal
SPREAD = 1.0  # the default of umap-learn, as are the two below
NEGATIVE_SAMPLES = 5
LEARNING_RATE = 1.0


def umap_layout(
    indices: npt.NDArray[np.int32],
    similarities: npt.NDArray[np.float32],
    start: Coordinates,
    *,
    neighbours: int = 15,
    min_dist: float = 0.1,
    epochs: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Coordinates:
    """Return the UMAP coordinates (n, dimensions) of n points, given their k nearest neighbours.

    indices, similarities: (n, k), as in a Graph, similarities descending, -1 and -inf if a
    neighbour is missing. The nearest `neighbours` - 1 of them are used, since UMAP counts a point
    among its own neighbours. start: (n, dimensions), the initial coordinates.
    Runs on one thread: the same input and seed give the same coordinates.
    """
    n, k = len(indices), min(neighbours - 1, indices.shape[1])
    itself = np.arange(n, dtype=np.int32)[:, None]
    neighbour_ids = np.hstack([itself, indices[:, :k]])
    distances = np.hstack([np.zeros((n, 1), np.float32), chordal(similarities[:, :k].clip(-1))])
    random = np.random.RandomState(seed)
    umap = import_umap()
    a, b = umap.find_ab_params(SPREAD, min_dist)
    epochs = epochs or (500 if n <= SMALL_MAP else EPOCHS)
    graph, _, _ = umap.fuzzy_simplicial_set(
        start, k + 1, random, "euclidean", knn_indices=neighbour_ids, knn_dists=distances
    )
    layout, _ = umap.simplicial_set_embedding(
        data=start,
        graph=graph,
        n_components=start.shape[1],
        initial_alpha=LEARNING_RATE,
        a=a,
        b=b,
        gamma=1.0,
        negative_sample_rate=NEGATIVE_SAMPLES,
        n_epochs=epochs,
        init=_spread_out(start, random),
        random_state=random,
        metric="euclidean",
        metric_kwds={},
        densmap=False,
        densmap_kwds={},
        output_dens=False,
        parallel=False,
        tqdm_kwds=_progress_bar(progress, epochs),
    )
    return np.ascontiguousarray(layout, np.float32)


def principal_coordinates(blocks: Blocks, count: int, dimensions: int) -> Coordinates:
    """Return the first principal coordinates (n, dimensions) of n = count unit rows.

    blocks: returns an iterator of (ids, rows (b, d)) in the order of the result. It is called
    twice, and one block is held at a time. The axes are those of about AXES_ROWS evenly spaced
    rows. The largest entry of each axis is made positive, so that the sign does not depend on the
    linear algebra library.
    """
    step = max(1, -(-count // AXES_ROWS))
    sample, start = [], 0
    for _, rows in blocks():
        sample.append(rows[-start % step :: step])
        start += len(rows)
    chosen = np.concatenate(sample).astype(np.float64)
    mean = chosen.mean(0)
    chosen -= mean
    axes = np.linalg.eigh(chosen.T @ chosen)[1][:, ::-1][:, :dimensions]
    axes *= np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    return np.concatenate([(rows - mean) @ axes for _, rows in blocks()]).astype(np.float32)


def place_on_map(
    similarities: npt.NDArray[np.float64], coordinates: Coordinates
) -> npt.NDArray[np.float32]:
    """Return the position (dimensions,) of one new point on a map, given its k nearest neighbours.

    similarities: (k,), descending; coordinates: (k, dimensions) of those neighbours. The position
    is their geometric median, weighted by UMAP's fuzzy membership in the neighbourhood of the
    point. Measured on 713 clothing photos: of their 15 nearest photos, 26 % are among the 15
    nearest on the map (28 % for photos that UMAP itself laid out). The weighted mean gives 19 %,
    since it falls between two groups and so in neither.
    """
    weights = memberships(chordal(similarities))
    points = coordinates.astype(np.float64)
    position = (points * weights[:, None]).sum(0) / weights.sum()
    for _ in range(MEDIAN_STEPS):  # Weiszfeld: Tohoku Mathematical Journal 43 (1937)
        distances = np.sqrt(((points - position) ** 2).sum(1))
        pull = weights / distances.clip(MIN_DISTANCE)
        position = (points * pull[:, None]).sum(0) / pull.sum()
    rounded: npt.NDArray[np.float32] = position.astype(np.float32)
    return rounded


def memberships(distances: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return UMAP's fuzzy memberships (k,) of a point's k neighbours at these ascending distances:
    exp(-(distance - least distance) / width), with the width for which they sum to log2(k)."""
    beyond = distances - distances[0]
    wanted = np.log2(max(len(distances), 2))
    narrow, wide = 0.0, SPAN * max(float(beyond[-1]), ZERO_DISTANCE)
    for _ in range(WIDTH_STEPS):
        width = (narrow + wide) / 2
        if np.exp(-beyond / width).sum() > wanted:
            wide = width
        else:
            narrow = width
    weights: npt.NDArray[np.floating] = np.exp(-beyond / wide)
    return weights


def chordal(similarities: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return the straight-line distance between unit rows of these similarities."""
    far: npt.NDArray[np.floating] = np.sqrt((2 - 2 * similarities).clip(0))
    return far


def _spread_out(start: Coordinates, random: np.random.RandomState) -> Coordinates:
    """Return initial coordinates with no two points equal. UMAP cannot separate equal points, nor
    scale an axis that has no spread."""
    widest = np.abs(start).max()
    noise = random.normal(scale=1e-5, size=start.shape)
    return (start / (widest or 1) + noise).astype(np.float32)


class _Epochs:
    """The file that UMAP draws its progress bar in. Each line is a number of epochs."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total = progress, total

    def write(self, text: str) -> None:
        if done := text.strip():
            self._progress(int(done), self._total, stage="laying out")

    def flush(self) -> None:
        pass


def _progress_bar(progress: Progress | None, epochs: int) -> dict[str, object]:
    if progress is None:
        return {"disable": True}
    return {"disable": False, "bar_format": "{n}", "file": _Epochs(progress, epochs)}
