"""Write a folder of images for each cluster."""

import os
from collections.abc import Iterator
from pathlib import Path

from embedtool.core.types import PathLike
from embedtool.explore.results import ClusterReport
from embedtool.images.group_folders import Group, write_group_folders


def write_cluster_folders(
    report: ClusterReport, folder: PathLike, *, copy: bool = False
) -> list[Path]:
    """Create a folder for each cluster, with links to its images, or copies if `copy` is true.

    folder/000 NAME lists the strongest members first. folder/noise has the noise points. Returns
    the folders of the clusters. Raises UsageError if folder exists and is not an empty folder.
    """
    return write_group_folders(_groups(report), folder, copy=copy)


def _groups(report: ClusterReport) -> Iterator[Group]:
    names = {c.id: f"{c.id:03} {c.name.replace(os.sep, '-')}" for c in report.clusters}
    for id in [*names, -1]:
        inside = sorted((m for m in report.members if m.cluster == id), key=lambda m: -m.strength)
        if inside:
            yield (
                names.get(id, "noise"),
                [(f"{number:05} {m.path.name}", m.path) for number, m in enumerate(inside, 1)],
            )
