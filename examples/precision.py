"""precision@10: of the 10 nearest indexed images, how many share their query's folder name.

python examples/precision.py INDEX QUERIES...
"""

import sys
from pathlib import Path

import embedtool

index, *folders = sys.argv[1:]
queries = [path for folder in folders for path in sorted(Path(folder).rglob("*")) if path.is_file()]
results = embedtool.search_photos(index, queries, k=10)
right = [m.path.parent.name == Path(r.query).parent.name for r in results for m in r.matches]
print(f"{len(results)} queries, precision@10 {sum(right) / len(right):.3f}")
