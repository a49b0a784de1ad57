"""The Python twins of the commands. Each door opens its rooms when it is used, not before."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedtool.errors import ImageRejected, ModelMismatch, ModelOffline, UsageError
from embedtool.types import IndexReport, Match, QueryMatches, Reject, Vectors

if TYPE_CHECKING:
    from embedtool.backbones import Backbone, ModelFolder
    from embedtool.bench import BenchReport
    from embedtool.embed import Embedder
    from embedtool.store import Index
    from embedtool.sync import Progress

PathLike = str | os.PathLike[str]
DOCTOR_TOLERANCE = 1e-3  # 1 - cosine; another CPU's rounding moves int8 vectors by less


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
    progress: "Progress | None" = None,
) -> IndexReport:
    """Bring an index up to date with photos; make it where there is none.

    photos: folders, files or patterns. index: its folder, else indexes/<name of the first photo
    folder>. model, layer, precision: as in `load_backbone`; a new index takes "auto" unless told,
    an existing one keeps its own. Files that cannot be used are recorded, never raised.
    Raises PhotosMissing (nothing is changed), ModelMismatch, ModelOffline, IndexLocked.
    """
    from embedtool import store
    from embedtool.sources import list_photos, require_images
    from embedtool.sync import sync
    from embedtool.writer import Writer, create

    photos = _several(photos)
    if not photos:
        raise UsageError("expected at least one folder, image file or pattern")
    path = Path(index) if index is not None else default_index(photos[0])
    note: tuple[str, ...] = ()
    fresh: Embedder | None = None
    if store.exists(path):
        target = Writer(path)
    else:
        require_images(list_photos(photos))  # a wrong name must not leave an empty index behind
        backbone = load_backbone(model or "auto", layer=layer, precision=precision)
        fresh = open_embedder(backbone, runtime=runtime)
        note = (backbone.note,) if backbone.note else ()
        from importlib.metadata import version

        target = create(
            path,
            model=backbone.spec,
            recipe=backbone.recipe,
            dim=backbone.dim,
            golden=_golden(fresh),
            created_by=f"embedtool {version('embedtool')}",
        )
    with target:
        if fresh is None:
            _refuse_other_model(target, model, layer, precision)
        report = sync(
            target,
            photos,
            lambda: fresh or _embedder_of(target, runtime),
            workers=workers,
            batch_size=batch_size,
            progress=progress,
        )
    return replace(report, notes=note + report.notes)


def search_photos(
    index: PathLike,
    images: PathLike | Sequence[PathLike] = (),
    *,
    rows: Sequence[int] = (),
    k: int = 10,
    min_similarity: float = -1.0,
) -> list[QueryMatches]:
    """The k images most similar to each query image, most similar first.

    images: files, in the index or not; one that is in it, unchanged, is not embedded again, and
    an indexed path whose file is gone serves too. rows: ids of indexed images. A match below
    min_similarity is left out; an image that is itself in the index finds itself first.
    Raises UsageError (k below 1, no query, no such row), ImageRejected, ModelMismatch.
    """
    import numpy as np

    from embedtool.search import nearest
    from embedtool.store import Index

    images = _several(images)
    if k < 1:
        raise UsageError(f"expected k of at least 1, received {k}")
    if not images and not rows:
        raise UsageError("expected at least one query: an image file, or the row of an image")
    with Index(index) as opened, opened.snapshot():
        names, vectors = _queries(opened, images, rows)
        count = opened.counts()["images"]
        k = min(k, count)
        if not count:
            return [QueryMatches(name, ()) for name in names]
        similarities, ids = nearest(np.vstack(vectors), opened.blocks(), k)
        results = []
        for name, row, found in zip(names, similarities, ids, strict=True):
            stands = [
                (path, float(similarity))
                for similarity, id in zip(row, found, strict=True)
                if id >= 0 and similarity >= min_similarity
                for path in opened.paths_of(int(id))
            ]
            matches = (Match(rank, *stand) for rank, stand in enumerate(stands[:k], 1))
            results.append(QueryMatches(name, tuple(matches)))
    return results


def embed_photos(
    photos: PathLike | Sequence[PathLike],
    *,
    model: str = "auto",
    layer: str | None = None,
    precision: str | None = None,
) -> tuple[list[Path], Vectors, list[Reject]]:
    """Vectors without an index: (paths, unit rows (n, d) in the order of paths, rejects)."""
    import numpy as np

    from embedtool.embed import embed_files
    from embedtool.sources import list_photos
    from embedtool.store import full_path

    embedder = open_embedder(load_backbone(model, layer=layer, precision=precision))
    paths, rows, rejects = [], [], []
    vectors: dict[bytes, Any] = {}
    for outcome in embed_files(list_photos(_several(photos)).files, embedder, known=set()):
        path = full_path(outcome.source.root, outcome.source.path)
        if outcome.reject:
            rejects.append(Reject(path, outcome.reject.stage, outcome.reject.reason))
            continue
        if outcome.vector is not None:
            vectors[outcome.digest] = outcome.vector
        paths.append(path)
        rows.append(vectors[outcome.digest])
    stacked = np.stack(rows) if rows else np.empty((0, embedder.dim), np.float32)
    return paths, stacked, rejects


def index_info(index: PathLike) -> dict[str, Any]:
    """What an index holds: model, counts, roots, sizes in bytes."""
    from embedtool.store import Index

    with Index(index) as opened, opened.snapshot():
        return {
            "index": str(opened.path.absolute()),
            "model": opened.model,
            "fingerprint": opened.fingerprint,
            "recipe": json.loads(opened.meta["recipe"]),
            "dim": opened.dim,
            "created_by": opened.meta["created_by"],
            **opened.counts(),
            "roots": [os.fsdecode(root) for root in opened.roots()],
            "vector_bytes": sum(segment.bytes for segment in opened.segments()),
            "catalogue_bytes": (opened.path / "catalog.sqlite").stat().st_size,
        }


def index_rejects(index: PathLike) -> list[Reject]:
    """Every file an index refused, by path, with stage and reason."""
    from embedtool.store import Index

    with Index(index) as opened:
        return opened.rejects()


def verify_index(index: PathLike) -> list[str]:
    """Re-hash every vector file and check the catalogue; what is wrong, or [] if it is whole."""
    from embedtool.store import Index

    with Index(index) as opened, opened.snapshot():
        return opened.verify()


def doctor_index(index: PathLike) -> list[float]:
    """Embed the golden pictures again: the cosine of each with what the index remembers.

    Raises ModelMismatch where one is under 1 - DOCTOR_TOLERANCE: this machine's model, decoder or
    runtime makes other vectors than the index holds.
    """
    from embedtool.store import Index

    with Index(index) as opened:
        now = _golden(_embedder_of(opened, "litert"))
        cosines = [float(c) for c in (now * opened.golden).sum(1)]
        if min(cosines) < 1 - DOCTOR_TOLERANCE:
            raise ModelMismatch(
                f"the golden pictures come out otherwise here than when {opened.path} was made "
                f"(cosine {min(cosines):.4f}, expected over {1 - DOCTOR_TOLERANCE}). Index the "
                "photos into a new folder, or use the versions the index was made with: "
                f"{opened.meta['created_by']}"
            )
    return cosines


@dataclass(frozen=True)
class DemoResult:
    """What `run_demo` made. own_kind: the share of the 10 nearest that are of the query's kind."""

    photos: Path
    page: Path
    report: IndexReport
    queries: list[QueryMatches]
    own_kind: float


def run_demo(out: PathLike = "embedtool-demo", *, progress: "Progress | None" = None) -> DemoResult:
    """Draw pictures into out/photos, index them with builtin, search them, write a page."""
    from embedtool.demo import draw_photos, draw_queries

    out = Path(out).absolute()
    draw_photos(out / "photos")
    queries = draw_queries(out / "queries")
    report = index_photos(out / "photos", index=out / "index", model="builtin", progress=progress)
    results = search_photos(report.index, queries, k=10)
    write_search_page(results, out / "search.html")
    own = [m.path.parent.name == Path(r.query).stem for r in results for m in r.matches]
    return DemoResult(out / "photos", out / "search.html", report, results, sum(own) / len(own))


def run_bench(
    photos: PathLike | None = None,
    *,
    models: Sequence[str] = (),
    rounds: int = 3,
    progress: "Progress | None" = None,
) -> "BenchReport":
    """Measure decode, inference, end to end and the Keras idiom; see `embedtool.bench`."""
    from embedtool import bench

    return bench.run_bench(photos, models=models, rounds=rounds, progress=progress)


def write_search_page(results: Sequence[QueryMatches], path: PathLike) -> None:
    """Write results as one self-contained HTML page with thumbnails."""
    from embedtool.files import write_whole
    from embedtool.report.search_page import search_page

    with write_whole(Path(path)) as file:
        file.write(search_page(results).encode())


def known_models() -> "list[tuple[str, ModelFolder]]":
    """(spec, model) of every network at hand without a connection."""
    from embedtool import backbones

    return list(backbones.known_models())


def model_info(model: str = "auto") -> dict[str, Any]:
    """A network's card: origin, fingerprint, layers with their channels, measured quality."""
    backbone = load_backbone(model)
    folder = backbone.folder
    return {
        "model": backbone.spec,
        "architecture": folder.architecture,
        "alpha": folder.alpha,
        "size": folder.size,
        "range": [folder.low, folder.high],
        "dim": backbone.dim,
        "precision": backbone.precision,
        "fingerprint": backbone.fingerprint,
        "weights_sha256": folder.weights,
        "layers": folder.layers,
        **({"card": folder.card} if folder.card else {}),
    }


def import_model(path: PathLike, name: str | None = None) -> "Backbone":
    """Take a SavedModel folder or a model folder into the user cache; see `embedtool.backbones`."""
    from embedtool import backbones

    return backbones.import_model(path, name)


def load_backbone(
    model: str = "auto", *, layer: str | None = None, precision: str | None = None
) -> "Backbone":
    """The network a spec names; see `embedtool.backbones.resolve`."""
    from embedtool.backbones import resolve

    return resolve(model, layer=layer, precision=precision)


def open_embedder(backbone: "Backbone", *, runtime: str = "litert") -> "Embedder":
    """A backbone ready to run; runtime "litert" (CPU) or "tensorflow" (GPU, and the reference)."""
    from embedtool.embed import NetworkEmbedder

    return NetworkEmbedder(backbone, runtime=runtime)


def default_index(photos: PathLike) -> Path:
    """indexes/<name of the folder>; a file or a pattern takes the folder it is in."""
    path = Path(os.path.abspath(photos))
    while path.name and not path.is_dir():
        path = path.parent
    return Path("indexes") / (path.name or "photos")


def _several(names: PathLike | Sequence[PathLike]) -> list[PathLike]:
    return [names] if isinstance(names, str | os.PathLike) else list(names)


def _golden(embedder: "Embedder") -> Vectors:
    from embedtool.backbones import golden

    return embedder.embed(golden.pixels(embedder.size))


def _embedder_of(index: "Index", runtime: str) -> "Embedder":
    from embedtool.backbones import reopen

    return open_embedder(reopen(index.model, index.recipe), runtime=runtime)


def _queries(
    index: "Index", images: Sequence[PathLike], rows: Sequence[int]
) -> tuple[list[str], list[Vectors]]:
    """The name and the vector (1, d) of each query; the model is loaded only for new files."""
    from embedtool.decode import decode_image
    from embedtool.embed import read_source
    from embedtool.types import Source

    names, vectors = [], []
    embedder = None
    for image in images:
        names.append(os.fspath(image))
        stored = index.image_at(image)
        if stored is not None:
            vectors.append(stored[1])
            continue
        full = os.path.abspath(os.fsencode(image))
        try:
            _, data = read_source(Source(os.path.dirname(full), os.path.basename(full), 0, 0))
            pixels = decode_image(data, index.recipe.size)
        except ImageRejected as reject:
            reason = f"cannot use the query image {names[-1]}: {reject.reason}"
            raise ImageRejected(reject.stage, reason) from reject
        embedder = embedder or _embedder_of(index, "litert")
        vectors.append(embedder.embed(pixels[None]))
    for row in rows:
        stored = index.image(row)
        if stored is None:
            raise UsageError(f"{index.path} has no image with row {row}")
        names.append(str(stored[0]))
        vectors.append(stored[1])
    return names, vectors


def _refuse_other_model(
    index: "Index", model: str | None, layer: str | None, precision: str | None
) -> None:
    """Let no vectors of another model into an index."""
    same = model in (None, "auto", index.model)
    recipe = index.recipe
    wanted = (
        layer or (recipe.layer if same else None),
        precision or (recipe.precision.split()[0] if same else None),
    )
    if same and wanted == (recipe.layer, recipe.precision.split()[0]):
        return
    spec = index.model if model is None or same else model
    try:
        asked = load_backbone(spec, layer=wanted[0], precision=wanted[1])
        if asked.fingerprint == index.fingerprint:
            return
        other = f"{asked.spec} {asked.precision} {asked.recipe.layer}"
    except ModelOffline:  # not at hand, so it cannot be what made this index here
        other = spec
    raise ModelMismatch(
        f"{index.path} holds vectors of {index.model} {recipe.precision.split()[0]} "
        f"{recipe.layer}; {other} was asked for, and the two cannot be mixed. Index into another "
        f"folder: embedtool index PHOTOS --model {spec} --index {index.path}-{Path(spec).name}"
    )
