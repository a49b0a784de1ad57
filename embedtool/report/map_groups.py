"""The colourings of a map: by cluster, label, prediction of a probe, folder or date."""

import os

from embedtool.errors import UsageError
from embedtool.explore.results import Map
from embedtool.report.palette import Groups, group_equal

COLOURINGS = ("cluster", "label", "prediction", "folder", "date")
NOISE_NAME = "noise"
MAX_DATES = 16  # entries in a legend of dates; if there are more, the next coarser unit is used
DATES = ("D", "M", "Y")  # units, from the finest


def map_groups(image_map: Map, colouring: str) -> Groups:
    """Group the images by a colouring.

    Raises UsageError for an unknown colouring, for "cluster" if `cluster` never ran, and for
    "prediction" if the map has none.
    """
    if colouring == "cluster":
        if image_map.clusters is None:
            raise UsageError(
                f"expected clusters to colour by, but {image_map.index} has none. Run: embedtool "
                f"cluster {image_map.index}, or colour by label, folder or date"
            )
        names = [*image_map.cluster_names, NOISE_NAME]
        return group_equal([names[c] for c in image_map.clusters.tolist()], noise=NOISE_NAME)
    if colouring == "label":
        return group_equal(image_map.labels)
    if colouring == "prediction":
        if image_map.predictions is None:
            raise UsageError(
                "colouring by prediction needs a probe, but none was given. Add --probe PROBE, "
                "where PROBE is the folder of a fine-tuned model, or of a probe that `probe train` "
                "wrote"
            )
        return group_equal(image_map.predictions)
    if colouring == "folder":
        top = os.path.commonpath(image_map.folders)
        below = {folder: os.path.relpath(folder, top) for folder in set(image_map.folders)}
        return group_equal([below[folder] for folder in image_map.folders])
    if colouring == "date":
        for unit in DATES:
            periods = image_map.dates.astype(f"M8[{unit}]").astype(str).tolist()
            if len(set(periods)) <= MAX_DATES:
                break
        return group_equal(periods, by_name=True)
    raise UsageError(
        f"expected to colour by one of {', '.join(COLOURINGS)}, received {colouring!r}"
    )


def possible_colourings(image_map: Map) -> list[str]:
    """Return the colourings for which a map has data."""
    missing = {"cluster": image_map.clusters is None, "prediction": image_map.predictions is None}
    return [one for one in COLOURINGS if not missing.get(one)]


def default_colouring(image_map: Map) -> str:
    """Return "prediction" if the map has predictions, else "cluster" if it has clusters, else
    "label"."""
    possible = possible_colourings(image_map)
    return next(one for one in ("prediction", "cluster", "label") if one in possible)
