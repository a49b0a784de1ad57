"""What `cluster_index`, `map_index` and `find_outliers` found."""

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
    cluster: int  # -1 where it is noise
    nearest: int  # the same, or of noise the cluster it lies nearest to; -1 where there is none
    strength: float  # of its membership in `nearest`, 0 to 1


@dataclass(frozen=True)
class Cluster:
    """Images that lie close together, and some to know it by, noise not among them."""

    id: int  # from 0, the largest first
    name: str
    size: int  # images
    stability: float  # HDBSCAN's: how long it holds together as the density rises
    representatives: tuple[Path, ...]  # nearest to its centre, the medoid first
    borderline: tuple[Path, ...]  # least nearer to its centre than to another
    outliers: tuple[Path, ...]  # least similar to its centre


@dataclass(frozen=True)
class ClusterReport:
    """What `cluster_index` found. min_cluster_size is what its criterion, and detail, came to;
    embedtool.explore.hdbscan_cut says what that is."""

    index: Path
    clusters: tuple[Cluster, ...]
    members: tuple[Member, ...]  # one for each image, first indexed first
    noise: int  # images
    min_cluster_size: int
    modularity: float
    seed: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Map:
    """The n images of an index on a plane, in the order of their ids; copies stand in one place.

    clusters: (n,) places in cluster_names, -1 for noise and for what came after `cluster` ran;
    None where it never did. predictions: a class of each image, and probabilities (n,) how likely
    that is; None until `with_predictions`.
    """

    index: Path
    paths: tuple[Path, ...]
    vectors: npt.NDArray[np.int64]  # (n,)
    coordinates: npt.NDArray[np.float32]  # (n, 2)
    placed: npt.NDArray[np.bool_]  # (n,), after the map was laid out
    labels: tuple[str, ...]  # the name of the folder each stands in
    folders: tuple[str, ...]
    dates: npt.NDArray[np.datetime64]  # (n,), seconds, by the clock here, of the last modification
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
        """Return the map with a class for each image, and how likely that class is.

        paths: the images in the order of the map, as `predict_images` has them.
        Raises UsageError if they are other images than the map's.
        """
        if tuple(paths) != self.paths:
            raise UsageError(
                f"expected predictions for the {len(self.paths):,} images of the map in its order, "
                f"received {len(paths):,}: the index has changed meanwhile. Run the same again"
            )
        likely = np.array(probabilities, np.float32)
        return replace(self, predictions=tuple(classes), probabilities=likely)


@dataclass(frozen=True)
class Outlier:
    """An image unlike the rest."""

    rank: int  # from 1
    path: Path
    score: float  # 1 - its mean similarity to its nearest others, see find_outliers
    nearest: Path  # the most similar other
    similarity: float  # to that
