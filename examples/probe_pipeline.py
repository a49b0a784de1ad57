"""Cross-validate a classifier of photos, as a scikit-learn pipeline that starts from their paths.

python examples/probe_pipeline.py PHOTOS

PHOTOS has one folder a class. The class of a photo is the name of its folder.
"""

import sys
from pathlib import Path

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from embedtool.sklearn import ImageEmbedder

FOLDS = 5
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}

[photos] = sys.argv[1:]
paths = [path for path in sorted(Path(photos).glob("*/*")) if path.suffix.lower() in SUFFIXES]
labels = [path.parent.name for path in paths]
pipeline = make_pipeline(ImageEmbedder(model="builtin"), LogisticRegression(C=100, max_iter=500))
folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
scores = cross_val_score(pipeline, paths, labels, cv=folds)
print(f"{len(paths)} photos, {len(set(labels))} classes, {FOLDS} folds")
print(f"accuracy {scores.mean():.3f}, standard deviation over the folds {scores.std(ddof=1):.3f}")
