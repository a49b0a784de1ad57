"""`Index`: an open index of photos."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from embedtool.collection.open_index import Session
from embedtool.core.paths import folder_label, full_path
from embedtool.core.types import PathLike, Progress, Reject, Vectors, as_list
from embedtool.library.explore_methods import ExploreMethods
from embedtool.library.search_methods import SearchMethods

if TYPE_CHECKING:
    from pathlib import Path

    from embedtool.collection.results import CompactReport, DeepCheck, IndexReport
    from embedtool.interchange.export import ExportReport
    from embedtool.library.results import Images


class Index(SearchMethods, ExploreMethods):
    """An open index of photos. Use `embedtool.open` to open one.

    Vector files, the search index and the network are checked and loaded once, then used by every
    later call. Several threads may use one `Index`. Each call sees one consistent version of the
    index, the newest, including what other processes have committed since.

    >>> with embedtool.open("indexes/photos") as index:
    ...     len(index.images), index.dim
    (361, 1280)
    """

    @property
    def images(self) -> "Images":
        """The images in the order they were indexed, with path, label, size, date and cluster.

        >>> with embedtool.open("indexes/photos") as index:
        ...     table = index.images.to_pandas()
        >>> table.shape, list(table.columns)
        ((361, 5), ['path', 'label', 'size', 'date', 'cluster'])
        """
        with self.connection.session() as session, session.snapshot():
            return session.once("images", lambda: _images(session))

    def vectors(self) -> tuple[list["Path"], Vectors]:
        """Return the paths of the images and their unit vectors, float32 (n, d), in the order they
        were indexed.

        >>> with embedtool.open("indexes/photos") as index:
        ...     paths, vectors = index.vectors()
        >>> len(paths), vectors.shape, str(vectors.dtype)
        (361, (361, 1280), 'float32')
        """
        with self.connection.session() as session, session.snapshot():
            reader = session.reader
            paths = [full_path(row.root, row.path) for row in reader.rows()]
            return paths, reader.vectors_of(np.fromiter(reader.vector_ids(), np.int64))

    def sync(
        self,
        photos: PathLike | Sequence[PathLike],
        *,
        workers: int | None = None,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> "IndexReport":
        """Bring the index up to date with the photos in some folders, as `embedtool index` does.

        Adds new photos, embeds changed photos again, updates the paths of renamed photos, and
        removes photos whose files are gone. photos: folders, files or patterns. Folders that were
        indexed before and are not given stay unchanged in the index. Files that cannot be used are
        recorded (see `rejects`) and do not raise.
        workers: the number of threads; [default: the number of cores]. batch_size: images per call
        of the network; [default: the fastest measured].
        Raises PhotosMissing (the index does not change), ModelMismatch, ModelOffline, IndexLocked.

        >>> with embedtool.open("indexes/photos") as index:
        ...     report = index.sync("photos")
        >>> report.added, report.unchanged, report.rejected
        (0, 361, 1)
        """
        from embedtool.collection.sync import sync
        from embedtool.store.writer import Writer

        with (
            self.connection.session() as session,
            Writer(self.path, files=session.reader.files) as writer,
        ):
            return sync(
                writer,
                as_list(photos),
                session.embedder,
                workers=workers,
                batch_size=batch_size,
                progress=progress,
            )

    def export(self, to: PathLike, *, format: str | None = None, seed: int = 0) -> "ExportReport":
        """Write the image paths and vectors to a file or folder for other programs.

        format: "clip-retrieval", "parquet", "npy", "projector" (TensorBoard), "embedding-atlas" or
        "ann-benchmarks"; [default: from the suffix of `to`]. The export replaces an earlier export
        at `to`, but never another file or folder. seed: of the samples in projector and
        ann-benchmarks.
        Raises UsageError (no such format), EmbedtoolError (another file or folder exists at `to`, a
        library is missing, the index has no images).

        >>> with embedtool.open("indexes/photos") as index:
        ...     index.export("arrays", format="npy").rows
        361
        """
        from embedtool.interchange.export import export_index

        with self.connection.session() as session:
            return export_index(session.reader, to, format=format, seed=seed)

    def info(self) -> dict[str, Any]:
        """Return the model, the counts, the photo folders ("roots") and the sizes in bytes.

        "images" counts the indexed files, "vectors" the distinct ones among them (identical copies
        count once), and "rejects" the files that could not be used.

        >>> with embedtool.open("indexes/photos") as index:
        ...     found = index.info()
        >>> found["images"], found["vectors"], found["rejects"]
        (361, 360, 1)
        """
        from embedtool.collection.inspect import index_info

        with self.connection.session() as session:
            return index_info(session.reader)

    def rejects(self) -> list[Reject]:
        """Return every file that was rejected, ordered by path, with the failed stage and reason.

        >>> with embedtool.open("indexes/photos") as index:
        ...     [reject.path.name for reject in index.rejects()]
        ['cut off.jpg']
        """
        with self.connection.session() as session:
            return session.reader.rejects()

    def verify(self) -> list[str]:
        """Check every file of the index against its checksum, and check the catalogue. Return one
        line per fault, [] if there is none.

        >>> with embedtool.open("indexes/photos") as index:
        ...     index.verify()
        []
        """
        from embedtool.collection.inspect import verify_index

        return verify_index(self.path)

    def verify_sample(self, *, sample: int = 100, seed: int = 0) -> "DeepCheck":
        """Embed a random sample of images again, and compare the vectors with the stored ones.

        sample: the number of images; seed draws them. An image whose file is gone or has changed is
        counted as skipped. Raises ModelMismatch if the model of the index is no longer available in
        the version that made it.

        >>> with embedtool.open("indexes/photos") as index:
        ...     check = index.verify_sample(sample=20)
        >>> check.compared, check.faults
        (20, ())
        """
        from embedtool.collection.inspect import deep_verify_index

        with self.connection.session() as session:
            return deep_verify_index(session.reader, session.embedder, sample=sample, seed=seed)

    def doctor(self) -> list[float]:
        """Check that this machine computes the same vectors as the one that made the index.

        Embeds three built-in reference images, and returns the cosine of each vector with the one
        that the index stores. Raises ModelMismatch if they differ.

        >>> with embedtool.open("indexes/photos") as index:
        ...     [round(cosine, 3) for cosine in index.doctor()]
        [1.0, 1.0, 1.0]
        """
        from embedtool.collection.inspect import doctor_index

        with self.connection.session() as session:
            return doctor_index(session.reader, session.embedder())

    def compact(self, *, progress: Progress | None = None) -> "CompactReport":
        """Reclaim the disk space of removed images, and return the sizes before and after.

        Raises IndexLocked if another process is changing the index.

        >>> with embedtool.open("indexes/photos") as index:
        ...     report = index.compact()
        >>> report.bytes_after <= report.bytes_before
        True
        """
        from embedtool.collection.compact import compact_index

        with self.connection.session() as session:
            return compact_index(session.reader, progress=progress)


def _images(session: Session) -> "Images":
    from embedtool.library.results import ImageRecord, Images

    reader = session.reader
    rows = list(reader.rows())
    clusters: list[int | None] = [None] * len(rows)
    if session.clusters.ids.size:
        vectors = np.fromiter(reader.vector_ids(), np.int64)
        clusters = session.clusters.labels_of(vectors)[0].tolist()
    return Images(
        tuple(
            ImageRecord(
                path=full_path(row.root, row.path),
                label=folder_label(row.root, row.path).decode("utf-8", "surrogateescape"),
                size=row.size,
                date=datetime.fromtimestamp(row.mtime_ns // 10**9),
                cluster=cluster,
            )
            for row, cluster in zip(rows, clusters, strict=True)
        )
    )
