"""The cluster of each image, found by the last run of `cluster`: a derived file.

Images that were added later belong to no cluster until `cluster` is run again.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedtool.store.derived import open_arrays, publish_arrays
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

CLUSTERS = "clusters"  # the name of the derived file


@dataclass(frozen=True)
class Clusters:
    ids: npt.NDArray[np.int64]  # (n,), vector ids, ascending
    labels: npt.NDArray[np.int32]  # (n,), positions in names, -1 for noise points
    nearest: npt.NDArray[np.int32]  # (n,), the label; for a noise point, the nearest cluster
    strengths: npt.NDArray[np.float32]  # (n,), strength of membership in `nearest`, 0 to 1
    names: tuple[str, ...]

    def labels_of(
        self, ids: npt.NDArray[np.int64], *, nearest: bool = False
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        """Return the label (m,) of each vector, and whether it has one (m,).

        Vectors that were added after the clustering have none, and get -1. nearest: return the
        nearest cluster of each noise point instead of -1."""
        if not self.ids.size:
            return np.full(len(ids), -1, np.int32), np.zeros(len(ids), np.bool_)
        places = np.searchsorted(self.ids, ids).clip(max=len(self.ids) - 1)
        there = self.ids[places] == ids
        own = self.nearest if nearest else self.labels
        return np.where(there, own[places], np.int32(-1)), there


NO_CLUSTERS = Clusters(
    ids=np.empty(0, np.int64),
    labels=np.empty(0, np.int32),
    nearest=np.empty(0, np.int32),
    strengths=np.empty(0, np.float32),
    names=(),
)


def read_clusters(index: IndexReader) -> Clusters | None:
    """Return the clusters, or None if there are none or their file is damaged."""
    opened = open_arrays(
        index.path,
        CLUSTERS,
        index.fingerprint,
        ids=(np.int64, "n"),
        labels=(np.int32, "n"),
        nearest=(np.int32, "n"),
        strengths=(np.float32, "n"),
    )
    names = opened and opened[0].get("names")
    if opened is None or not isinstance(names, list) or {*map(type, names)} - {str}:
        return None
    names = tuple(names)
    for labels in (opened[1]["labels"], opened[1]["nearest"]):
        if not ((labels >= -1) & (labels < len(names))).all():
            return None
    if names == tuple(f"cluster {number}" for number in range(1, len(names) + 1)):
        names = default_names(len(names))  # older versions numbered clusters from 1
    return Clusters(**opened[1], names=names)


def default_names(count: int) -> tuple[str, ...]:
    """Return the names of unnamed clusters: each has its number, which tables show as `id`."""
    return tuple(f"cluster {number}" for number in range(count))


def save_clusters(index: Writer, clusters: Clusters) -> None:
    publish_arrays(
        index.path,
        CLUSTERS,
        {"names": clusters.names},
        fingerprint=index.fingerprint,
        ids=clusters.ids,
        labels=clusters.labels,
        nearest=clusters.nearest,
        strengths=clusters.strengths,
    )
