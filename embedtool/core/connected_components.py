"""Connected components of an undirected graph."""

import numpy as np
import numpy.typing as npt


def connected_components(links: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Return the component (n,) of each of n = count items; links (p, 2) are pairs of items.

    Components are numbered from 0, in the order of their smallest items.
    """
    from scipy.sparse import coo_matrix  # the import takes longer than solving a small graph
    from scipy.sparse.csgraph import connected_components as label_components

    ones = np.ones(len(links), np.int8)
    graph = coo_matrix((ones, (links[:, 0], links[:, 1])), shape=(count, count))
    return np.asarray(label_components(graph, directed=False)[1], np.int64)
