"""How well clusters of your photos agree with the folders of the photos.

python examples/clusters_table.py PHOTOS [--model mobilenet_v2] [--seeds 3]

AMI: adjusted mutual information with the folder names, with every image assigned, and with noise
as a cluster of its own. `cluster` does not use the folders; k-means gets their number.
"""

import argparse
import tempfile

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score

import embedtool
from embedtool.store.reader import IndexReader

parser = argparse.ArgumentParser()
parser.add_argument("photos")
parser.add_argument("--model", default="mobilenet_v2")
parser.add_argument("--seeds", type=int, default=3)
options = parser.parse_args()

with tempfile.TemporaryDirectory() as index:
    embedtool.index_photos(options.photos, index=f"{index}/i", model=options.model)
    with IndexReader(f"{index}/i") as opened:
        vectors = np.concatenate([rows for _, rows in opened.blocks()])
    for seed in range(options.seeds):
        report = embedtool.cluster_index(f"{index}/i", seed=seed)
        folders = [member.path.parent.name for member in report.members]
        all_assigned = adjusted_mutual_info_score(folders, [m.nearest for m in report.members])
        with_noise = adjusted_mutual_info_score(folders, [m.cluster for m in report.members])
        share = report.noise / len(folders)
        print(
            f"seed {seed}: {len(report.clusters)} clusters, {share:.0%} noise, "
            f"AMI {with_noise:.3f}, with every image assigned {all_assigned:.3f}",
            flush=True,
        )
    assigned = KMeans(len(set(folders)), n_init=3, random_state=0).fit_predict(vectors)
    if len(assigned) == len(folders):
        score = adjusted_mutual_info_score(folders, assigned)
        print(f"k-means with {len(set(folders))} clusters: AMI {score:.3f}")
