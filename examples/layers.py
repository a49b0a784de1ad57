"""Intermediate layers as features: how far apart do they hold two folders of photos?

python examples/layers.py PHOTOS_A PHOTOS_B
"""

import sys

import embedtool

for layer in ("block_6_expand_relu", "block_13_expand_relu", "out_relu"):
    means = []
    for folder in sys.argv[1:]:
        embeddings = embedtool.embed_photos(folder, model="builtin", layer=layer)
        means.append(embeddings.vectors.mean(0))
    print(f"{layer:22} {len(means[0]):5} dimensions, mean similarity {means[0] @ means[1]:.3f}")
