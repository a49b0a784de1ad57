"""Coordinates in few dimensions: UMAP on the neighbour graph, and one more point on a map.

Takes arrays and the graph, knows no paths. Distance here is chordal, sqrt(2 - 2 similarity): what
lies between two unit rows in a straight line.

McInnes, Healy, Melville: UMAP: Uniform Manifold Approximation and Projection, arXiv:1802.03426.
"""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Progress, Vectors
from embedtool.explore.import_umap import import_umap

Coordinates = npt.NDArray[np.float32]  # (n, dimensions)
Blocks = Callable[[], Iterable[tuple[npt.NDArray[np.int64], Vectors]]]
AXES_ROWS = 16_384  # rows that principal axes are taken from
EPOCHS = 200  # of UMAP; on a small map 500, as umap-learn has them
SMALL_MAP = 10_000
MEDIAN_STEPS = 64  # then it moves by less than a point is wide
MIN_DISTANCE = 1e-3  # to a neighbour, where the median is sought; maps are some 10 units wide
WIDTH_STEPS = 64  # halvings: as far as float64 goes
SPAN = 100.0  # times the farthest neighbour: a width at which all of them weigh the same
ZERO_DISTANCE = 1e-9  # float32 rows this close are equal
SPREAD = 1.0  # umap-learn's, as are the two below
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
    """UMAP coordinates (n, dimensions) of n points, by their k nearest others.

    indices, similarities: (n, k), as a Graph has them, similarities descending, -1 and -inf where a
    neighbour is missing; the nearest `neighbours` - 1 of them are used, since UMAP counts a point
    among its own neighbours.
    start: (n, dimensions), where the points begin; it decides how many dimensions there are.
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
    """The first principal coordinates (n, dimensions) of n = count unit rows.

    blocks: gives (ids, rows (b, d)) in the order of the answer, as often as it is asked; one block
    is held at a time. The axes are those of AXES_ROWS rows, evenly spread; each points to where its
    largest entry is positive, so that the answer does not hang on the linear algebra library.
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
    """Where one new point (dimensions,) stands on a map, by its k nearest on it.

    similarities: (k,), descending; coordinates: (k, dimensions) of those neighbours. It is their
    geometric median, each weighing what UMAP's fuzzy membership of it in the point's neighbourhood
    is. Measured on 713 clothing photos: of their 15 nearest photos, 26 % are among the 15 nearest
    on the map (28 % for those that UMAP itself laid out), where the weighted mean, which falls
    between two groups and so in neither, gives 19 %.
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
    """UMAP's fuzzy memberships (k,) of a point's k neighbours at these ascending distances:
    exp(-(distance - the least) / width), the width such that they sum to log2(k)."""
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
    """The straight-line distance between unit rows of these similarities."""
    far: npt.NDArray[np.floating] = np.sqrt((2 - 2 * similarities).clip(0))
    return far


def _spread_out(start: Coordinates, random: np.random.RandomState) -> Coordinates:
    """Where the points begin, no two in one place: UMAP cannot part those, nor scale an axis along
    which there is no spread."""
    widest = np.abs(start).max(initial=0)
    noise = random.normal(scale=1e-5, size=start.shape)
    return (start / (widest or 1) + noise).astype(np.float32)


class _Epochs:
    """The file that UMAP's bar is drawn in: each line is a count of epochs."""

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
