"""Search an index for one photo after another; the network is loaded once.

python examples/search_in_a_loop.py INDEX PHOTO...
"""

import sys
import time

import embedtool

path, *photos = sys.argv[1:]
with embedtool.open(path) as index:
    print(f"{len(index.images):,} images, {index.model}")
    for photo in photos:
        start = time.perf_counter()
        result = index.search(photo, k=5)
        milliseconds = (time.perf_counter() - start) * 1000
        print(f"{photo}: {milliseconds:.1f} ms")
        for match in result:
            print(f"  {match.similarity:.3f} {match.path}")
