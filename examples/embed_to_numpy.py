"""Turn a folder of photos into an array of unit rows, one for each image, and a list of paths.

python examples/embed_to_numpy.py PHOTOS VECTORS.npy
"""

import sys
from pathlib import Path

import numpy as np

import embedtool

photos, target = sys.argv[1:]
embeddings = embedtool.embed_photos(photos, model="builtin")
np.save(target, embeddings.vectors)
Path(target).with_suffix(".txt").write_text("\n".join(map(str, embeddings.paths)))
print(embeddings)
