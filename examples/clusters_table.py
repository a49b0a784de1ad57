"""How well clusters of your photos agree with the folders they stand in, which nobody told them.

python examples/clusters_table.py PHOTOS [--model mobilenet_v2] [--seeds 3]

AMI: adjusted mutual information with the folder names, with every image assigned, and with noise
as a cluster of its own. k-means is told the number of folders.
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
asked = parser.parse_args()

with tempfile.TemporaryDirectory() as index:
    embedtool.index_photos(asked.photos, index=f"{index}/i", model=asked.model)
    with IndexReader(f"{index}/i") as opened:
        vectors = np.concatenate([rows for _, rows in opened.blocks()])
    for seed in range(asked.seeds):
        report = embedtool.cluster_index(f"{index}/i", seed=seed)
        folders = [member.path.parent.name for member in report.members]
        every = adjusted_mutual_info_score(folders, [m.nearest for m in report.members])
        noise = adjusted_mutual_info_score(folders, [m.cluster for m in report.members])
        share = report.noise / len(folders)
        print(
            f"seed {seed}: {len(report.clusters)} clusters, {share:.0%} noise, AMI {noise:.3f}, "
            f"with every image assigned {every:.3f}",
            flush=True,
        )
    told = KMeans(len(set(folders)), n_init=3, random_state=0).fit_predict(vectors)
    if len(told) == len(folders):
        print(
            f"k-means told {len(set(folders))}: AMI {adjusted_mutual_info_score(folders, told):.3f}"
        )
