"""The methods of `Index` as functions that take the folder of an index, for a single call.

Each opens the index, calls the method and closes the index again.
"""

from collections.abc import Callable, Sequence
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from embedtool.core.types import PathLike, Progress
from embedtool.library.index import Index

if TYPE_CHECKING:
    from embedtool.classification.labels import LabelTable
    from embedtool.collection.query import OnReject, Query
    from embedtool.library.probe_results import ComparisonResult, ProbeResult
    from embedtool.library.results import SearchResult

Options = ParamSpec("Options")
Found = TypeVar("Found")


def open(path: PathLike) -> Index:
    """Open an index. Close it with `close`, or at the end of a `with` block.

    Raises NotAnIndex, IndexDamaged, IndexTooNew.

    >>> with embedtool.open("indexes/photos") as index:
    ...     index.search("photos/fish/fish-03.jpg", k=2)
    <SearchResult: 2 images near photos/fish/fish-03.jpg, similarity 1.0000 to ...>
    """
    return Index(path)


def search_photos(
    index: PathLike,
    images: "Query | Sequence[Query]" = (),
    *,
    rows: Sequence[int] = (),
    k: int | None = None,
    min_similarity: float | None = None,
    where: Sequence[str] = (),
    min_recall: float | None = None,
    max_memory: int | None = None,
    on_reject: "OnReject" = "raise",
    progress: Progress | None = None,
) -> "list[SearchResult]":
    """Return the images most similar to each query, as `Index.search` does, always as a list.

    images: one query or a list of queries. The returned list has one result for each query, in
    their order, then one for each of `rows`. The other options, and the errors, are those of
    `Index.search`.

    >>> [result] = embedtool.search_photos("indexes/photos", "photos/fish/fish-03.jpg", k=2)
    >>> [match.path.name for match in result]
    ['fish-03.jpg', 'fish-15.jpg']
    """
    from embedtool.library.search_methods import as_queries

    with Index(index, hold_vectors=False) as opened:  # no later search would use them
        return opened.search(
            as_queries(images)[0],
            rows=rows,
            k=k,
            min_similarity=min_similarity,
            where=where,
            min_recall=min_recall,
            max_memory=max_memory,
            on_reject=on_reject,
            progress=progress,
        )


def compare_indexes(
    first: PathLike,
    second: PathLike,
    *,
    labels: "LabelTable | None" = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> "ComparisonResult":
    """Compare two models on the images that are in both indexes, matched by content.

    The scores are probe and k-NN accuracy by cross-validation on the same folds, precision@10 and
    mAP. Each has a 95 % confidence interval, and so has its difference, paired by image. The result
    also has the share of the 10 nearest images that both models agree on, the agreement of their
    clusters, the scores of each class, and the images that changed most. labels: the labels of the
    images of the first index, as in `Index.probe`. Raises UsageError if the indexes have too few
    images in common.

    >>> found = embedtool.compare_indexes("indexes/photos", "indexes/photos")
    >>> found.images, [measure.name for measure in found], found.overlap.value
    (360, ['probe accuracy', 'k-NN accuracy', 'precision@10', 'mAP'], 1.0)
    """
    from embedtool.classification.compare_indexes import compare_indexes as compare
    from embedtool.library.probe_results import ComparisonResult

    return ComparisonResult.of(compare(first, second, labels=labels, seed=seed, progress=progress))


def train_probe(
    index: PathLike,
    out: PathLike,
    *,
    labels: "LabelTable | None" = None,
    shots: int | None = None,
    balanced: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> "ProbeResult":
    """Train a linear classifier on the labelled images of an index, and write it to a folder.

    out: the folder to write the probe to; it replaces an earlier probe there. The other options,
    and the errors, are those of `Index.probe`.

    >>> embedtool.train_probe("indexes/photos", "kinds")
    <ProbeResult: probe of 12 classes, accuracy ...>
    """
    with Index(index) as opened:
        return opened.probe(
            labels, out=out, shots=shots, balanced=balanced, seed=seed, progress=progress
        )


def _function(
    method: Callable[Concatenate[Index, Options], Found], name: str, doc: str
) -> Callable[Concatenate[PathLike, Options], Found]:
    def function(index: PathLike, /, *args: Options.args, **options: Options.kwargs) -> Found:
        with Index(index) as opened:
            return method(opened, *args, **options)

    _, *options = signature(method).parameters.values()
    place = Parameter("index", Parameter.POSITIONAL_ONLY, annotation=PathLike)
    function.__signature__ = signature(method).replace(  # type: ignore[attr-defined]
        parameters=[place, *options]
    )
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{doc}\n\n    The options are those of `Index.{method.__name__}`.\n    "
    return function


cluster_index = _function(
    Index.cluster,
    "cluster_index",
    """Group the similar images of an index, without a given number of groups.

    >>> embedtool.cluster_index("indexes/photos")
    <ClusterResult: 12 clusters of 361 images, ...>
    """,
)
find_outliers = _function(
    Index.outliers,
    "find_outliers",
    """Return the images of an index that are least similar to the others.

    >>> embedtool.find_outliers("indexes/photos", k=3)
    <Outliers: 3 outliers>
    """,
)
map_index = _function(
    Index.map,
    "map_index",
    """Project the images of an index to a plane by UMAP, with similar images near each other.

    >>> found = embedtool.map_index("indexes/photos")
    >>> found
    <MapResult: 361 images on a plane>
    >>> found.write_png("map.png", colour_by="label")
    """,
)
find_duplicates = _function(
    Index.duplicates,
    "find_duplicates",
    """Group the images of an index that show the same picture, and suggest which to keep.

    >>> report = embedtool.index_photos("photos/sunset", index="indexes/sunset", model="builtin")
    >>> [group] = embedtool.find_duplicates("indexes/sunset")
    >>> group.kind, [path.name for path in group.redundant]
    ('identical', ['copy of sunset-01.jpg'])
    """,
)
predict_images = _function(
    Index.predict,
    "predict_images",
    """Return the class of every image of an index, with the probability of each class.

    >>> probe = embedtool.train_probe("indexes/photos", "kinds")
    >>> first = embedtool.predict_images("indexes/photos", "kinds")[0]
    >>> first.path.name, first.label
    ('balloons-01.jpg', 'balloons')
    """,
)
evaluate_probe = _function(
    Index.evaluate,
    "evaluate_probe",
    """Compare the predictions of a probe with the labels of the images of an index.

    >>> names = {"photos/fish/fish-01.jpg": "fish", "photos/fish/fish-02.jpg": "fish"}
    >>> names |= {"photos/city/city-01.jpg": "city", "photos/city/city-02.jpg": "city"}
    >>> probe = embedtool.train_probe("indexes/photos", "two kinds", labels=names)
    >>> embedtool.evaluate_probe("indexes/photos", "two kinds")
    <EvaluationResult: ... images, accuracy ...>
    """,
)
export_index = _function(
    Index.export,
    "export_index",
    """Write the image paths and vectors of an index to a file or folder for other programs.

    >>> report = embedtool.export_index("indexes/photos", "vectors", format="npy")
    >>> report.rows, report.dim
    (361, 1280)
    """,
)
index_info = _function(
    Index.info,
    "index_info",
    """Return the model, the counts, the photo folders and the sizes in bytes of an index.

    >>> embedtool.index_info("indexes/photos")["images"]
    361
    """,
)
index_rejects = _function(
    Index.rejects,
    "index_rejects",
    """Return every file that was rejected, ordered by path, with the failed stage and the reason.

    >>> [reject] = embedtool.index_rejects("indexes/photos")
    >>> reject.path.name, reject.stage
    ('cut off.jpg', 'decode')
    """,
)
verify_index = _function(
    Index.verify,
    "verify_index",
    """Check every file of an index for damage. Return one line per fault, [] if there is none.

    >>> embedtool.verify_index("indexes/photos")
    []
    """,
)
doctor_index = _function(
    Index.doctor,
    "doctor_index",
    """Check that this machine computes the same vectors as the one that made the index.

    Embeds three built-in reference images and returns the cosine of each vector with the one that
    the index stores. Raises ModelMismatch if they differ.

    >>> [round(cosine, 3) for cosine in embedtool.doctor_index("indexes/photos")]
    [1.0, 1.0, 1.0]
    """,
)
compact_index = _function(
    Index.compact,
    "compact_index",
    """Reclaim the disk space of removed images, and return the sizes before and after.

    >>> embedtool.compact_index("indexes/photos").segments_after
    1
    """,
)
