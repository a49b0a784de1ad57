"""What `cluster_index` and `find_outliers` found."""

from dataclasses import dataclass
from pathlib import Path


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
class Outlier:
    """An image unlike the rest."""

    rank: int  # from 1
    path: Path
    score: float  # 1 - its mean similarity to its nearest others, see find_outliers
    nearest: Path  # the most similar other
    similarity: float  # to that
