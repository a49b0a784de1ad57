"""How often the interval that `probe train` states contains the accuracy on other photos.

python examples/probe_intervals.py INDEX... [--shots 4 20] [--splits 50]

Each INDEX has one folder per class. A probe learns from --shots random images of each class, and is
tested on the other images of the index. Printed for each index, as JSON: the share of the random
splits in which the stated interval contains the accuracy on the others, the mean of what was stated
(cross-validated, and extrapolated to all images) and of what was found, the width of the interval
and of the binomial one of as many images, and the expected calibration error.
"""

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path
from statistics import mean

import numpy as np

import embedtool
from embedtool.classification.metrics import evaluate
from embedtool.core.types import Vectors

parser = argparse.ArgumentParser()
parser.add_argument("indexes", type=Path, nargs="+")
parser.add_argument("--shots", type=int, nargs="+", default=[4, 20])
parser.add_argument("--splits", type=int, default=50)
options = parser.parse_args()


def split(
    index: embedtool.Index, labels: dict[Path, str], rows: Vectors, shots: int, seed: int
) -> dict[str, float]:
    by_class = defaultdict(list)
    for path, label in labels.items():
        by_class[label].append(path)
    generator = random.Random(seed)
    learned = {
        path: label for label, own in by_class.items() for path in generator.sample(own, shots)
    }
    probe = index.probe(learned, seed=seed)
    classes = probe.trained.classes
    other = np.array([path not in learned for path in labels])
    truth = [classes.index(label) for path, label in labels.items() if path not in learned]
    found = evaluate(truth, probe.trained.probabilities(rows[other]), classes, resamples=2)
    stated, true = probe.evaluation.accuracy, found.accuracy.value
    low, high = stated.ends or (0.0, 1.0)
    return {
        "contained": low <= true <= high,
        "stated": stated.value,
        "extrapolated": probe.learning_curve[-1].accuracy,
        "found": true,
        "width": high - low,
        "binomial_width": 2 * 1.96 * (true * (1 - true) / len(learned)) ** 0.5,
        "ece": found.ece.value,
    }


for path in options.indexes:
    with embedtool.open(path) as index:
        paths, rows = index.vectors()
        labels = {image.path: image.label for image in index.images}
        assert paths == [*labels]
        for shots in options.shots:
            splits = [split(index, labels, rows, shots, seed) for seed in range(options.splits)]
            means = {name: mean(one[name] for one in splits) for name in splits[0]}
            print(json.dumps({"collection": path.name, "shots": shots, **means}), flush=True)
