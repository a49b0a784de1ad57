"""How long the neighbour graph of an index takes, and how many of the true neighbours it has.

python examples/neighbour_graph.py INDEX

The index must not have a graph yet: `embedtool cluster`, `map` and `outliers` store one in it.
"""

import json
import sys
import time

from embedtool.explore.neighbour_graph import neighbour_graph
from embedtool.store.writer import Writer

with Writer(sys.argv[1]) as index:
    start = time.perf_counter()
    graph = neighbour_graph(index)
    seconds = time.perf_counter() - start
print(json.dumps({"vectors": len(graph.ids), "seconds": seconds, "recall": graph.recall}))
