"""`index_photos`: create an index of photos, or bring it up to date.

A run that finds nothing new imports no decoder and no network, because these imports are in the
functions that need them.
"""

import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from os.path import abspath
from pathlib import Path
from typing import TYPE_CHECKING

from embedtool.collection.results import IndexReport
from embedtool.collection.sync import sync
from embedtool.core.types import PathLike, Progress, as_list
from embedtool.errors import ModelMismatch, ModelOffline, UsageError
from embedtool.images.listing import list_photos, require_images
from embedtool.store.layout import exists
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer, create

if TYPE_CHECKING:
    from embedtool.models.embedder import Embedder


def index_photos(
    photos: PathLike | Sequence[PathLike],
    *,
    index: PathLike | None = None,
    model: str | None = None,
    layer: str | None = None,
    precision: str | None = None,
    runtime: str = "litert",
    workers: int | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> IndexReport:
    """Bring an index up to date with photos, or create it if it does not exist.

    photos: folders, image files or patterns such as "a/*.jpg". index: the folder of the index;
    default: indexes/<name of the first photo folder>. model, layer, precision: as in
    `embed_photos`; default: those of the index, "auto" for a new one. runtime: "litert" or
    "tensorflow", which can use a GPU. workers: number of threads; default: number of cores.
    batch_size: images per call of the network; default: the fastest measured.
    Files that cannot be used are recorded (see `index_rejects`) and do not raise.
    Raises PhotosMissing (the index does not change), ModelMismatch, ModelOffline, IndexLocked.

    >>> report = embedtool.index_photos("photos/fish", index="indexes/fish", model="builtin")
    >>> report.added, report.total
    (30, 30)
    >>> embedtool.index_photos("photos/fish", index="indexes/fish").unchanged
    30
    """
    photos = as_list(photos)
    if not photos:
        raise UsageError("expected at least one folder, image file or pattern, received none")
    path = Path(index) if index is not None else default_index(photos[0])
    note: tuple[str, ...] = ()
    fresh: Embedder | None = None
    if exists(path):
        target = Writer(path)
    else:
        require_images(list_photos(photos))  # a wrong name must not leave an empty index behind
        from importlib.metadata import version

        from embedtool.models import load_backbone
        from embedtool.models.embedder import NetworkEmbedder, embed_golden

        backbone = load_backbone(model or "auto", layer=layer, precision=precision)
        fresh = NetworkEmbedder(backbone, runtime=runtime)
        note = (backbone.note,) if backbone.note else ()
        target = create(
            path,
            model=backbone.spec,
            recipe=backbone.recipe,
            dim=backbone.dim,
            golden=embed_golden(fresh),
            created_by=f"embedtool {version('embedtool')}",
            training_images=backbone.folder.read_training_images().to_bytes(),
        )

    def open_embedder() -> "Embedder":
        from embedtool.models.embedder import embedder_of

        if fresh is None and model not in (None, "auto"):
            from embedtool.models.find_model import model_of_user

            model_of_user(model)  # imports it, if it has not been imported
        return fresh or embedder_of(target.model, target.recipe, runtime=runtime)

    with target:
        if fresh is None:
            _check_same_model(target, model, layer, precision)
        report = sync(
            target,
            photos,
            open_embedder,
            workers=workers,
            batch_size=batch_size,
            progress=progress,
        )
    return replace(report, notes=note + report.notes)


def default_index(photos: PathLike) -> Path:
    """Return indexes/<name of the folder>. For a file or a pattern, the folder is its parent."""
    path = Path(abspath(photos))
    while path.name and not path.is_dir():
        path = path.parent
    return Path("indexes") / (path.name or "photos")


def _check_same_model(
    index: IndexReader, model: str | None, layer: str | None, precision: str | None
) -> None:
    """Raise ModelMismatch if the requested model is not the one of the index."""
    same = model in (None, "auto", index.model)
    recipe = index.recipe
    wanted = (
        layer or (recipe.layer if same else None),
        precision or (recipe.precision_name if same else None),
    )
    if same and wanted == (recipe.layer, recipe.precision_name):
        return
    spec = index.model
    if model is not None and not same:
        from embedtool.models import load_backbone

        spec = model
        with suppress(ModelOffline):  # not available, so it is not the model that made this index
            requested = load_backbone(model, layer=wanted[0], precision=wanted[1])
            if requested.fingerprint == index.fingerprint:
                return
            wanted = (requested.recipe.layer, requested.precision)
    flags = ["--model", spec]
    flags += ["--layer", layer] if layer else []
    flags += ["--precision", precision] if precision else []
    raise ModelMismatch(
        f"{index.path} holds vectors of {index.model} {recipe.precision_name} "
        f"{recipe.layer}; {' '.join([spec, *filter(None, wanted[::-1])])} was requested, and the "
        f"two cannot be mixed. Index into another folder: embedtool index PHOTOS "
        f"{shlex.join(flags)} --index {index.path}-2"
    )
