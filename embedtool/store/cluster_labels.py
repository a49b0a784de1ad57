"""Which cluster each image is in, as the last `cluster` found it: a derived file.

Images that came later are in none until it is run again.
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
    ids: npt.NDArray[np.int64]  # (n,), of vectors, ascending
    labels: npt.NDArray[np.int32]  # (n,), places in names, -1 for noise
    nearest: npt.NDArray[np.int32]  # (n,), the label, or of noise the cluster it lies nearest to
    strengths: npt.NDArray[np.float32]  # (n,), of the membership in `nearest`, 0 to 1
    names: tuple[str, ...]

    def labels_of(
        self, ids: npt.NDArray[np.int64], *, nearest: bool = False
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        """The label (m,) of each vector, or what it is nearest to, and whether it has one (m,):
        those that came later have none, and -1 here."""
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
    """None where there are none, or their file is damaged."""
    opened = open_arrays(index.path, CLUSTERS, index.fingerprint)
    if opened is None:
        return None
    names = tuple(opened[0]["names"])
    if names == tuple(f"cluster {number}" for number in range(1, len(names) + 1)):
        names = default_names(len(names))  # as they were saved while these counted from 1
    return Clusters(**opened[1], names=names)


def default_names(count: int) -> tuple[str, ...]:
    """The names of clusters that have none: each by its number, the `id` that tables have."""
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
