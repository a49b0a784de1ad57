"""The results of the methods of `Index`, as sequences that a notebook displays.

Each class adds the interface of `Results` to the plain dataclass that a package returns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from embedtool.core.types import PathLike, Progress
from embedtool.duplicates.results import DuplicateGroup, Duplicates
from embedtool.explore.results import Cluster, ClusterReport, Map, Member, Outlier
from embedtool.library.sequences import Gallery, Results
from embedtool.search.results import Match, QueryMatches


class SearchResult(Gallery[Match], QueryMatches):
    """The images nearest to one query, most similar first."""

    item_type = Match

    @property
    def items(self) -> Sequence[Match]:
        return self.matches

    def summary(self) -> str:
        nearest = f", similarity {self[0].similarity:.4f} to {self[-1].similarity:.4f}"
        return f"{len(self):,} images near {self.query}{nearest if self else ''}"

    def pictures(self) -> Iterator[tuple[Path, str]]:
        return ((match.path, f"{match.similarity:.3f}") for match in self)

    def write_html(self, path: PathLike) -> None:
        """Write an HTML page with thumbnails of the query and its matches."""
        from embedtool.report.search_page import write_search_page

        write_search_page([self], path)


@dataclass(frozen=True)
class ImageRecord:
    """One image of an index."""

    path: Path
    label: str  # the name of its folder
    size: int  # bytes of the file
    date: datetime  # of its last modification, in local time
    cluster: int | None  # from the last run of `cluster`: -1 is noise, None if it never ran


@dataclass(frozen=True, repr=False)
class Images(Gallery[ImageRecord]):
    """The images of an index, in the order they were indexed."""

    records: tuple[ImageRecord, ...]
    item_type = ImageRecord

    @property
    def items(self) -> Sequence[ImageRecord]:
        return self.records

    def summary(self) -> str:
        return f"{len(self):,} images"

    def pictures(self) -> Iterator[tuple[Path, str]]:
        return ((image.path, image.label) for image in self)


class ClusterResult(Gallery[Cluster], ClusterReport):
    """The clusters, the largest first. `members` has the cluster of every image."""

    item_type = Cluster

    @property
    def items(self) -> Sequence[Cluster]:
        return self.clusters

    @cached_property
    def assignments(self) -> "Assignments":
        """The cluster of every image, in the order they were indexed."""
        return Assignments(self.members)

    def summary(self) -> str:
        return f"{len(self):,} clusters of {len(self.members):,} images, {self.noise:,} are noise"

    def pictures(self) -> Iterator[tuple[Path, str]]:
        return ((c.representatives[0], f"{c.id}: {c.name}, {c.size:,}") for c in self)

    def write_html(self, path: PathLike) -> None:
        """Write a contact sheet as an HTML page."""
        from embedtool.report.clusters_page import write_clusters_page

        write_clusters_page(self, path)

    def write_png(self, path: PathLike) -> None:
        """Write a contact sheet as a PNG picture."""
        from embedtool.report.clusters_png import write_clusters_png

        write_clusters_png(self, path)

    def write_table(self, path: PathLike, *, raw_csv: bool = False) -> None:
        """Write the cluster of every image as CSV, or as Parquet if the name ends in .parquet.

        raw_csv: leave out the apostrophe that keeps a spreadsheet from running text in CSV that
        begins with = + - @ or a tab as a formula.
        """
        from embedtool.explore.clusters import write_members

        write_members(self, path, raw_csv=raw_csv)

    def write_folders(self, folder: PathLike, *, copy: bool = False) -> list[Path]:
        """Create a folder per cluster with links to its images, or copies if `copy` is true."""
        from embedtool.explore.cluster_folders import write_cluster_folders

        return write_cluster_folders(self, folder, copy=copy)


@dataclass(frozen=True, repr=False)
class Assignments(Gallery[Member]):
    """The cluster of every image, in the order they were indexed."""

    members: tuple[Member, ...]
    item_type = Member

    @property
    def items(self) -> Sequence[Member]:
        return self.members

    def summary(self) -> str:
        return f"{len(self):,} images and their clusters"

    def pictures(self) -> Iterator[tuple[Path, str]]:
        return (
            (one.path, "noise point" if one.cluster < 0 else f"cluster {one.cluster}")
            for one in self
        )


@dataclass(frozen=True, repr=False)
class Outliers(Gallery[Outlier]):
    """The images that are least similar to the others, highest score first."""

    found: tuple[Outlier, ...]
    item_type = Outlier

    @property
    def items(self) -> Sequence[Outlier]:
        return self.found

    def summary(self) -> str:
        return f"{len(self):,} outliers"

    def pictures(self) -> Iterator[tuple[Path, str]]:
        return ((one.path, f"{one.score:.3f}") for one in self)


class DuplicateResult(Gallery[DuplicateGroup], Duplicates):
    """Groups of images that show the same picture, ordered by kind, then descending similarity."""

    item_type = DuplicateGroup

    @property
    def items(self) -> Sequence[DuplicateGroup]:
        return self.groups

    def summary(self) -> str:
        redundant = sum(len(group.redundant) for group in self)
        groups = "1 group" if len(self) == 1 else f"{len(self):,} groups"
        return f"{groups}, {redundant:,} of {self.images:,} images are redundant"

    def pictures(self) -> Iterator[tuple[Path, str]]:
        for number, group in enumerate(self, 1):
            for path, similarity in zip(group.paths, group.similarities, strict=True):
                what = "keep" if path == group.keep else f"{similarity:.3f}"
                yield path, f"{number} {group.kind}: {what}"

    def picture_count(self) -> int:
        return sum(len(group.paths) for group in self)

    def write_html(self, path: PathLike) -> None:
        """Write an HTML page that shows the images of each group side by side."""
        from embedtool.report.duplicates_page import write_duplicates_page

        write_duplicates_page(self, path)

    def write_folders(self, folder: PathLike, *, copy: bool = False) -> list[Path]:
        """Create a folder per group with links to its images, or copies if `copy` is true."""
        from embedtool.duplicates.duplicate_folders import write_duplicate_folders

        return write_duplicate_folders(self, folder, copy=copy)


@dataclass(frozen=True)
class MapPoint:
    """One image on a map. `predicted` and `probability` are None if no probe was given."""

    path: Path
    x: float
    y: float
    placed: bool  # whether it was placed on the map after its layout was computed
    label: str  # the name of its folder
    cluster: int | None  # -1 is noise, None if `cluster` never ran
    date: datetime
    prediction: str | None
    probability: float | None


class MapResult(Results[MapPoint], Map):
    """The coordinates of the images on a plane, in the order the images were indexed."""

    item_type = MapPoint

    @cached_property
    def items(self) -> Sequence[MapPoint]:
        none: list[None] = [None] * len(self.paths)
        return tuple(
            map(
                MapPoint,
                self.paths,
                self.coordinates[:, 0].tolist(),
                self.coordinates[:, 1].tolist(),
                self.placed.tolist(),
                self.labels,
                none if self.clusters is None else self.clusters.tolist(),
                self.dates.tolist(),
                none if self.predictions is None else self.predictions,
                none if self.probabilities is None else self.probabilities.tolist(),
            )
        )

    def columns(self) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Return the column names and the rows of the table that `write_table` writes."""
        from embedtool.explore.map import map_points

        return map_points(self)

    def summary(self) -> str:
        return f"{len(self):,} images on a plane"

    def _repr_html_(self) -> str:
        from embedtool.report.notebook import map_picture

        return map_picture(self.summary(), self)

    def write_html(
        self, path: PathLike, *, colour_by: str | None = None, progress: Progress | None = None
    ) -> list[str]:
        """Write an interactive HTML page, and return notes about it.

        colour_by: "cluster", "label", "prediction", "folder" or "date"; [default: prediction if a
        probe was given, else cluster if `cluster` ran, else label]."""
        from embedtool.report.map_page import write_map_page

        return write_map_page(self, path, colour_by=colour_by, progress=progress)

    def write_png(
        self,
        path: PathLike,
        *,
        colour_by: str | None = None,
        size: int = 1200,
        progress: Progress | None = None,
    ) -> None:
        """Write a PNG picture for print, `size` pixels high. colour_by: as in `write_html`."""
        from embedtool.report.map_png import write_map_png

        write_map_png(self, path, colour_by=colour_by, size=size, progress=progress)

    def write_table(self, path: PathLike, *, raw_csv: bool = False) -> None:
        """Write the points as CSV, or as Parquet if the name ends in .parquet.

        raw_csv: leave out the apostrophe that keeps a spreadsheet from running text in CSV that
        begins with = + - @ or a tab as a formula.
        """
        from embedtool.explore.map import write_coordinates

        write_coordinates(self, path, raw_csv=raw_csv)
