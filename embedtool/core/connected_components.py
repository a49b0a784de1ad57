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


def spanning_forest(links: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Return the positions (f,) of links, without a cycle, that connect what all links (p, 2)
    connect. The first links are preferred. No link leads from an item to itself."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import minimum_spanning_tree

    unique, first = np.unique(np.sort(links, 1), axis=0, return_index=True)
    weights = first + 1.0  # a weight of 0 is no link
    graph = coo_matrix((weights, (unique[:, 0], unique[:, 1])), shape=(count, count))
    return np.sort(minimum_spanning_tree(graph).data.astype(np.int64) - 1)
