"""The private functions of hdbscan and umap that are called: they take what is passed to them.

Another version may change them without notice, so pyproject.toml bounds both libraries from above.
"""

import inspect
from importlib import import_module
from importlib.metadata import version

import numpy as np
import pytest

from embedtool.explore.import_umap import import_umap

CALLS = [  # module, function, parameters passed by position, by name
    (
        "hdbscan.hdbscan_",
        "_tree_to_labels",
        ["X", "single_linkage_tree", "min_cluster_size"],
        {"max_cluster_size"},
    ),
    ("umap.umap_", "find_ab_params", ["spread", "min_dist"], set()),
    (
        "umap.umap_",
        "fuzzy_simplicial_set",
        ["X", "n_neighbors", "random_state", "metric"],
        {"knn_indices", "knn_dists"},
    ),
    (
        "umap.umap_",
        "simplicial_set_embedding",
        [],
        {"data", "graph", "n_components", "initial_alpha", "a", "b", "gamma"}
        | {"negative_sample_rate", "n_epochs", "init", "random_state", "metric", "metric_kwds"}
        | {"densmap", "densmap_kwds", "output_dens", "parallel", "tqdm_kwds"},
    ),
]


@pytest.mark.parametrize(("module", "name", "by_position", "by_name"), CALLS)
def test_a_private_function_takes_what_is_passed(
    module: str, name: str, by_position: list[str], by_name: set[str]
) -> None:
    import_umap()
    signature = inspect.signature(getattr(import_module(module), name))
    parameters = list(signature.parameters)
    needed = {p.name for p in signature.parameters.values() if p.default is p.empty}
    library = {"hdbscan": "hdbscan", "umap": "umap-learn"}[module.split(".")[0]]
    assert (
        parameters[: len(by_position)] == by_position
        and by_name <= set(parameters)
        and needed <= {*by_position, *by_name}
    ), (
        f"{library} {version(library)} has {name}{signature}: keep it out by the bound on "
        f"{library} in pyproject.toml, or change the call in embedtool/explore"
    )


@pytest.mark.parametrize(
    ("most", "labels", "strengths", "stabilities"),
    [
        (0, [0, 0, 0, 0, 1, 1, 1, 1, 1, -1], [1, 1, 1, 1, 0.5, 1, 1, 1, 0.5, 0], [0.4412, 0.7412]),
        (4, [0, 0, 0, 0, -1, -1, -1, -1, -1, -1], [1, 1, 1, 1, 0, 0, 0, 0, 0, 0], [0.4412]),
    ],
)
def test_a_tree_is_cut_into_known_clusters(
    most: int, labels: list[int], strengths: list[float], stabilities: list[float]
) -> None:
    module = import_module("hdbscan.hdbscan_")
    points = np.array([[x] for x in (0.0, 1, 2, 3, 20, 21, 22, 23, 24, 90)])
    tree = module.HDBSCAN(min_samples=2, core_dist_n_jobs=1).fit(points).single_linkage_tree_
    found = module._tree_to_labels(points, tree.to_numpy(), 3, max_cluster_size=most)
    said = f"hdbscan {version('hdbscan')}: keep it out by its bound in pyproject.toml"
    assert found[0].tolist() == labels, said
    assert found[1].tolist() == strengths, said
    assert found[2] == pytest.approx(stabilities, abs=1e-4), said
