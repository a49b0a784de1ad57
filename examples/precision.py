"""precision@10: of the 10 nearest indexed images, how many share their query's folder name.

python examples/precision.py INDEX QUERIES...
"""

import sys
from pathlib import Path

import embedtool

path, *folders = sys.argv[1:]
queries = [file for folder in folders for file in sorted(Path(folder).rglob("*")) if file.is_file()]
with embedtool.open(path) as index:
    results = index.search(queries, k=10)
right = [m.path.parent.name == Path(r.query).parent.name for r in results for m in r]
print(f"{len(results)} queries, precision@10 {sum(right) / len(right):.3f}")
