"""Index a folder of photos and find the pictures most like one of them.

python examples/index_and_search.py PHOTOS INDEX QUERY
"""

import sys

import embedtool

photos, index, query = sys.argv[1:]
report = embedtool.index_photos(photos, index=index, model="builtin")
print(f"{report.total - report.rejected} images in {report.index}")
[result] = embedtool.search_photos(index, query, k=5)
for match in result:
    print(f"{match.similarity:.3f} {match.path}")
