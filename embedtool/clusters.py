"""Which cluster each image is in, as the last `cluster` found it: a derived file.

Images that came later are in none until it is run again.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedtool.derived import open_arrays, publish_arrays
from embedtool.store import Index
from embedtool.writer import Writer

NAME = "clusters"


@dataclass(frozen=True)
class Clusters:
    ids: npt.NDArray[np.int64]  # (n,), of vectors, ascending
    labels: npt.NDArray[np.int32]  # (n,), places in names, -1 for noise
    nearest: npt.NDArray[np.int32]  # (n,), the label, or of noise the cluster it lies nearest to
    strengths: npt.NDArray[np.float32]  # (n,), of the membership in `nearest`, 0 to 1
    names: tuple[str, ...]

    def of(self, id: int) -> int | None:
        """The label of a vector; None where it came later."""
        place = int(np.searchsorted(self.ids, id))
        there = place < len(self.ids) and self.ids[place] == id
        return int(self.labels[place]) if there else None


NONE = Clusters(
    ids=np.empty(0, np.int64),
    labels=np.empty(0, np.int32),
    nearest=np.empty(0, np.int32),
    strengths=np.empty(0, np.float32),
    names=(),
)


def read_clusters(index: Index) -> Clusters | None:
    """None where there are none, or their file is damaged."""
    opened = open_arrays(index.path, NAME, index.fingerprint)
    return Clusters(**opened[1], names=tuple(opened[0]["names"])) if opened else None


def keep_clusters(index: Writer, clusters: Clusters) -> None:
    publish_arrays(
        index.path,
        NAME,
        {"names": clusters.names},
        fingerprint=index.fingerprint,
        ids=clusters.ids,
        labels=clusters.labels,
        nearest=clusters.nearest,
        strengths=clusters.strengths,
    )
