"""The methods of `Index` that need no labels: clusters, outliers, map, duplicates."""

from typing import TYPE_CHECKING

from embedtool.core.types import PathLike, Progress
from embedtool.library.probe_methods import ProbeMethods

if TYPE_CHECKING:
    from embedtool.classification.probe import Probe
    from embedtool.duplicates.results import Keep
    from embedtool.library.probe_results import ProbeResult
    from embedtool.library.results import (
        ClusterResult,
        DuplicateResult,
        MapResult,
        Outliers,
    )


class ExploreMethods(ProbeMethods):
    def cluster(
        self,
        *,
        detail: float = 1.0,
        name_by: str | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> "ClusterResult":
        """Group similar images, without a given number of groups. The index stores the clusters.

        detail: the level of detail, above 0; above 1 gives smaller clusters, below 1 larger ones.
        name_by: "label" names each cluster after the folder that most of its images are in,
        "imagenet" after ImageNet classes, which needs vectors of mobilenet_v2; [default: numbers].
        Raises UsageError (invalid detail or name_by), IndexLocked; with "imagenet" also
        ModelMismatch and ModelOffline.

        >>> with embedtool.open("indexes/photos") as index:
        ...     found = index.cluster(name_by="label")
        >>> len(found), found.assignments[0].path.name
        (12, 'balloons-01.jpg')
        """
        from embedtool.explore.clusters import cluster_index
        from embedtool.library.results import ClusterResult

        with self.connection.session() as session:
            return ClusterResult.of(
                cluster_index(
                    session.reader, detail=detail, name_by=name_by, seed=seed, progress=progress
                )
            )

    def outliers(self, *, k: int = 20, progress: Progress | None = None) -> "Outliers":
        """Return the k images that are least similar to the others, highest score first.

        The score is 1 minus the mean similarity to the 10 nearest neighbours. Similarity is the
        cosine after the mean of all vectors is subtracted. Raises UsageError (k below 1),
        IndexLocked.

        >>> with embedtool.open("indexes/photos") as index:
        ...     found = index.outliers(k=3)
        >>> [outlier.rank for outlier in found], found[0].score > found[2].score
        ([1, 2, 3], True)
        """
        from embedtool.explore.outliers import find_outliers
        from embedtool.library.results import Outliers

        with self.connection.session() as session:
            return Outliers(tuple(find_outliers(session.reader, k=k, progress=progress)))

    def map(
        self,
        *,
        probe: "PathLike | Probe | ProbeResult | None" = None,
        neighbours: int | None = None,
        seed: int | None = None,
        rebuild: bool = False,
        progress: Progress | None = None,
    ) -> "MapResult":
        """Project all images to a plane by UMAP, with similar images near each other. The index
        stores the map.

        New images are placed on the saved map one by one, and the others stay where they are. The
        whole map is computed again with `rebuild`, with other neighbours or another seed, and when
        more than half of its images were placed later.
        probe: a classifier that predicts the class of each image, as in `predict`. neighbours: the
        number of neighbours that UMAP considers, at least 2; [default: that of the saved map, or
        30]. seed: [default: that of the saved map, or 0].
        Raises UsageError (neighbours below 2, an index without images), IndexLocked.

        >>> with embedtool.open("indexes/photos") as index:
        ...     found = index.map()
        >>> found.coordinates.shape, found[0].path.name, found[0].label
        ((361, 2), 'balloons-01.jpg', 'balloons')
        """
        from embedtool.explore.map import map_index
        from embedtool.library.results import MapResult

        predicted = None if probe is None else self.predict(probe, progress=progress)
        with self.connection.session() as session:
            found = map_index(
                session.reader, neighbours=neighbours, seed=seed, rebuild=rebuild, progress=progress
            )
        if predicted is not None:
            found = found.with_predictions(
                [one.path for one in predicted],
                [one.likeliest for one in predicted],
                [one.probability for one in predicted],
            )
        return MapResult.of(found)

    def duplicates(
        self,
        *,
        min_similarity: float | None = None,
        reference: PathLike | None = None,
        keep: "Keep" = "original",
        progress: Progress | None = None,
    ) -> "DuplicateResult":
        """Group images that show the same picture, and suggest which image of each group to keep.

        Kinds of groups: "identical", files with the same bytes; "near-identical", one picture that
        was re-encoded or resized; "edited", one picture that was changed, such as by a crop, a
        filter or a caption; and with min_similarity "similar", images whose cosine with the image
        to keep is at least min_similarity, from -1 to 1.
        reference: a folder whose images are all kept; each group then has at least one image in it
        and at least one outside. keep: "original", the file of a camera before its edits and
        copies; "largest", the most pixels; "oldest", the earliest date; "first-root", the file in
        the folder that was indexed first. Raises UsageError.

        >>> report = embedtool.index_photos("photos/sunset", index="indexes/dusk", model="builtin")
        >>> with embedtool.open("indexes/dusk") as index:
        ...     [group] = index.duplicates()
        >>> group.kind, group.keep.name, [path.name for path in group.redundant]
        ('identical', 'sunset-01.jpg', ['copy of sunset-01.jpg'])
        """
        from embedtool.duplicates.find_duplicates import find_duplicates
        from embedtool.library.results import DuplicateResult

        with self.connection.session() as session:
            return DuplicateResult.of(
                find_duplicates(
                    session.reader,
                    min_similarity=min_similarity,
                    reference=reference,
                    keep=keep,
                    progress=progress,
                )
            )
