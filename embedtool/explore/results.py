"""The results of `cluster_index`, `map_index` and `find_outliers`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedtool.errors import UsageError


@dataclass(frozen=True)
class Member:
    """One image and its cluster."""

    path: Path
    cluster: int  # -1 for noise
    nearest: int  # the same; for noise, the nearest cluster, or -1 if there is none
    strength: float  # of the membership in `nearest`, 0 to 1


@dataclass(frozen=True)
class Cluster:
    """A cluster of images without noise points, with examples of its members."""

    id: int  # from 0, the largest first
    name: str
    size: int  # images
    stability: float  # as HDBSCAN defines it: how long the cluster persists as density rises
    representatives: tuple[Path, ...]  # nearest to its centre, the medoid first
    borderline: tuple[Path, ...]  # members almost as near to another centre, the nearest first
    outliers: tuple[Path, ...]  # least similar to its centre


@dataclass(frozen=True)
class ClusterReport:
    """The result of `cluster_index`. min_cluster_size follows from its criterion and detail: see
    embedtool.explore.hdbscan_cut."""

    index: Path
    clusters: tuple[Cluster, ...]
    members: tuple[Member, ...]  # one per image, in the order of indexing
    noise: int  # images
    min_cluster_size: int
    modularity: float
    seed: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Map:
    """The n images of an index on a plane, in the order of their ids. Copies share a position.

    clusters: (n,) positions in cluster_names, -1 for noise and for images that are newer than the
    clusters; None if `cluster` never ran. predictions, probabilities: the predicted class of each
    image and its probability (n,); None until `with_predictions`.
    """

    index: Path
    paths: tuple[Path, ...]
    vectors: npt.NDArray[np.int64]  # (n,)
    coordinates: npt.NDArray[np.float32]  # (n, 2)
    placed: npt.NDArray[np.bool_]  # (n,), whether it was placed after the map was laid out
    labels: tuple[str, ...]  # the name of the folder that each is in
    folders: tuple[str, ...]
    dates: npt.NDArray[np.datetime64]  # (n,), seconds, local time of the last modification
    clusters: npt.NDArray[np.int32] | None
    cluster_names: tuple[str, ...]
    neighbours: int
    seed: int
    notes: tuple[str, ...]
    predictions: tuple[str, ...] | None = None
    probabilities: npt.NDArray[np.float32] | None = None

    def with_predictions(
        self, paths: Sequence[Path], classes: Sequence[str], probabilities: Sequence[float]
    ) -> "Map":
        """Return the map with a predicted class and its probability for each image.

        paths: the images in the order of the map, as `predict_images` returns them.
        Raises UsageError if they are not the images of the map.
        """
        if tuple(paths) != self.paths:
            raise UsageError(
                f"expected predictions for the {len(self.paths):,} images of the map in its order, "
                f"received {len(paths):,}: the index has changed. Run the command again"
            )
        likely = np.array(probabilities, np.float32)
        return replace(self, predictions=tuple(classes), probabilities=likely)


@dataclass(frozen=True)
class Outlier:
    """An image that differs from all others of the index."""

    rank: int  # from 1
    path: Path
    score: float  # 1 - its mean similarity to its nearest neighbours, see find_outliers
    nearest: Path  # the most similar other image
    similarity: float  # to `nearest`
