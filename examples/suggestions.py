"""How much the images that `--suggest` lists help a probe, compared with other choices.

python examples/suggestions.py INDEX TEST_INDEX [--shots 5] [--labels 50] [--seeds 10]

Both indexes have one folder per class. A probe learns from --shots random images of each class of
INDEX, then from --labels more. It is tested on TEST_INDEX. The accuracies are means over the seeds.
"""

import argparse
import json
import random
from collections import defaultdict
from statistics import mean

import embedtool

parser = argparse.ArgumentParser()
parser.add_argument("index")
parser.add_argument("test_index")
parser.add_argument("--shots", type=int, default=5)
parser.add_argument("--labels", type=int, default=50)
parser.add_argument("--seeds", type=int, default=10)
options = parser.parse_args()

accuracies = defaultdict(list)
with embedtool.open(options.index) as index, embedtool.open(options.test_index) as test:
    label_of = {image.path: image.label for image in index.images}
    by_class = defaultdict(list)
    for path, label in label_of.items():
        by_class[label].append(path)
    for seed in range(options.seeds):
        generator = random.Random(seed)
        known = [path for own in by_class.values() for path in generator.sample(own, options.shots)]
        probe = index.probe({path: label_of[path] for path in known}, seed=seed)
        found = index.predict(probe, suggest_count=options.labels, seed=seed)
        unknown = [one for one in found if one.path not in known]
        least_certain = sorted(unknown, key=lambda one: one.probability)[: options.labels]
        choices = {
            "no more": [],
            "suggested": found.suggested,
            "random": [one.path for one in generator.sample(unknown, options.labels)],
            "least certain": [one.path for one in least_certain],
        }
        for name, more in choices.items():
            learned = index.probe({path: label_of[path] for path in (*known, *more)}, seed=seed)
            accuracies[name].append(test.evaluate(learned).evaluation.accuracy.value)
print(json.dumps({name: mean(values) for name, values in accuracies.items()}))
