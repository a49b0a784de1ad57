"""Cluster and map the vectors of an index with umap-learn and hdbscan directly, and time both.

python examples/umap_hdbscan.py INDEX
"""

import json
import sys
import time

import hdbscan

import embedtool
from embedtool.explore.import_umap import import_umap

with embedtool.open(sys.argv[1]) as index:
    vectors = index.vectors()[1]
umap = import_umap()
settings = {"n_neighbors": 17, "random_state": 0, "n_jobs": 1}
start = time.perf_counter()
layout = umap.UMAP(n_components=10, min_dist=0.0, **settings).fit_transform(vectors)
labels = hdbscan.HDBSCAN(min_cluster_size=15).fit_predict(layout)
clustered = time.perf_counter()
umap.UMAP(**settings).fit_transform(vectors)
mapped = time.perf_counter()
record = {
    "clusters": int(labels.max() + 1),
    "noise": float((labels < 0).mean()),
    "cluster_seconds": clustered - start,
    "map_seconds": mapped - clustered,
}
print(json.dumps(record))
