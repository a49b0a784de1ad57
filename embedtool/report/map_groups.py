"""The ways to colour a map: by cluster, label, prediction of a probe, folder or date."""

import os

from embedtool.errors import UsageError
from embedtool.explore.map_file import Map
from embedtool.report.palette import Groups, grouped

WAYS = ("cluster", "label", "prediction", "folder", "date")
NOISE_NAME = "noise"
MOST_DATES = 16  # entries of a legend of dates, above which years, months or days are joined
DATES = ("D", "M", "Y")  # the finest that keeps to it, else the last


def map_groups(found: Map, way: str) -> Groups:
    """Raises UsageError for another way, for clusters where `cluster` never ran, for predictions
    where no probe was asked."""
    if way == "cluster":
        if found.clusters is None:
            raise UsageError(
                f"{found.index} has no clusters yet: embedtool cluster {found.index}, "
                "or colour by label, folder or date"
            )
        names = [*found.cluster_names, NOISE_NAME]
        return grouped([names[c] for c in found.clusters.tolist()], noise=NOISE_NAME)
    if way == "label":
        return grouped(found.labels)
    if way == "prediction":
        if found.predictions is None:
            raise UsageError(
                "expected a probe to colour by its predictions: embedtool map --probe PROBE, "
                "made by embedtool probe train"
            )
        return grouped(found.predictions)
    if way == "folder":
        top = os.path.commonpath(found.folders)
        below = {folder: os.path.relpath(folder, top) for folder in set(found.folders)}
        return grouped([below[folder] for folder in found.folders])
    if way == "date":
        for unit in DATES:
            said = found.dates.astype(f"M8[{unit}]").astype(str).tolist()
            if len(set(said)) <= MOST_DATES:
                break
        return grouped(said, by_name=True)
    raise UsageError(f"expected to colour by one of {', '.join(WAYS)}, received {way!r}")


def ways_of(found: Map) -> list[str]:
    """The ways that a map can be coloured."""
    missing = {"cluster": found.clusters is None, "prediction": found.predictions is None}
    return [way for way in WAYS if not missing.get(way)]


def default_way(found: Map) -> str:
    """Predictions where they were asked for, else clusters where there are any, else labels."""
    return next(way for way in ("prediction", "cluster", "label") if way in ways_of(found))
