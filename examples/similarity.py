"""Whether vectors less their mean separate the classes of a collection better.

python examples/similarity.py INDEX [--collections NAME...]

The labels are the names of folders. Each photo is a query among the others: mean average precision
(mAP) and precision@10, by the cosine of the vectors, of the vectors less the mean of all, and less
that of 100 of them. A photo belongs to NAME if a folder of its path has this name. Without
--collections, all photos of the index are one collection.
"""

import argparse
import json

import numpy as np

import embedtool
from embedtool.classification.ranking_metrics import retrieve
from embedtool.search.centre import directions

QUERIES, FEW = 1500, 100

parser = argparse.ArgumentParser()
parser.add_argument("index")
parser.add_argument("--collections", nargs="+")
options = parser.parse_args()

with embedtool.open(options.index) as opened:
    paths, vectors = opened.vectors()
copy = np.array(["copies" in path.parts for path in paths])
labels = np.unique([path.parent.name for path in paths], return_inverse=True)[1]
for name in options.collections or [None]:
    inside = np.array([name is None or name in path.parts for path in paths]) & ~copy
    rows, first = np.unique(vectors[inside], axis=0, return_index=True)
    truth = labels[inside][first]
    random = np.random.default_rng(0)
    queries = random.permutation(len(rows))[:QUERIES]
    few = rows[random.permutation(len(rows))[:FEW]]
    centres = {
        "cosine": np.zeros(rows.shape[1], np.float32),
        "less the mean": rows.mean(0),
        "less the mean of 100": few.mean(0),
    }
    scores = {}
    for kind, centre in centres.items():
        found = retrieve(directions(rows, centre), truth, queries)
        scores[kind] = {
            "map": float(np.nanmean(found.average_precision)),
            "precision_at_10": float(found.precision.mean()),
        }
    classes = len(np.unique(truth))
    print(json.dumps({"name": name, "images": len(rows), "classes": classes, "scores": scores}))
