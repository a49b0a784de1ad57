"""A tour of the library, in cells for a notebook or an editor that knows `# %%`.

python examples/tour.py PHOTOS

PHOTOS has one folder a class. A notebook shows what is found as pictures and tables. An index is
made in indexes/tour, and a page in map.html.
"""

# %% Index a folder, and open the index
import builtins
import sys

import embedtool

photos = sys.argv[1]  # in a notebook, the name of your folder
show = getattr(builtins, "display", print)  # notebooks have display
embedtool.index_photos(photos, index="indexes/tour", model="builtin")
index = embedtool.open("indexes/tour")
show(index.images)

# %% The images as a table of pandas
table = index.images.to_pandas()
show(table.groupby("label")["size"].agg(["count", "sum"]))

# %% The pictures most like the first one
show(index.search(index.images[0].path, k=5))

# %% Clusters, a map and duplicates, which need no labels
show(index.cluster(name_by="label"))
image_map = index.map()
image_map.write_html("map.html")
show(image_map)
show(index.duplicates())

# %% A classifier of the folder names
show(index.probe())
index.close()
