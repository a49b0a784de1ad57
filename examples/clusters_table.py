"""How well clusters of your photos agree with the folders of the photos.

python examples/clusters_table.py PHOTOS [--model mobilenet_v2] [--seeds 3]

AMI: adjusted mutual information with the folder names, with every image assigned, and with noise
as a cluster of its own. `cluster` does not use the folders; k-means gets their number.
"""

import argparse
import tempfile

from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score

import embedtool

parser = argparse.ArgumentParser()
parser.add_argument("photos")
parser.add_argument("--model", default="mobilenet_v2")
parser.add_argument("--seeds", type=int, default=3)
options = parser.parse_args()

with tempfile.TemporaryDirectory() as folder:
    embedtool.index_photos(options.photos, index=f"{folder}/index", model=options.model)
    with embedtool.open(f"{folder}/index") as index:
        labels = [image.label for image in index.images]
        for seed in range(options.seeds):
            found = index.cluster(seed=seed)
            nearest = [image.nearest for image in found.assignments]
            with_noise = [image.cluster for image in found.assignments]
            print(
                f"seed {seed}: {len(found)} clusters, {found.noise / len(labels):.0%} noise, "
                f"AMI {adjusted_mutual_info_score(labels, with_noise):.3f}, with every image "
                f"assigned {adjusted_mutual_info_score(labels, nearest):.3f}",
                flush=True,
            )
        classes = len(set(labels))
        assigned = KMeans(classes, n_init=3, random_state=0).fit_predict(index.vectors()[1])
        score = adjusted_mutual_info_score(labels, assigned)
        print(f"k-means with {classes} clusters: AMI {score:.3f}")
