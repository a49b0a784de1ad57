"""`bench`."""

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from embedtool.cli.output import Json, Quiet, emit_json, emit_table, say
from embedtool.cli.progress_bar import progress_bar
from embedtool.search.recall_certificate import MIN_RECALL


class _PhotosUnlessNamed(TyperGroup):
    """A group of commands that reads `bench PHOTOS` as `bench photos PHOTOS`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, "--help"):
            args = ["photos", *args]
        return super().parse_args(ctx, args)


bench = typer.Typer(cls=_PhotosUnlessNamed)


@bench.command("photos")
def bench_photos(
    photos: Annotated[
        Path | None, typer.Argument(help="A folder of photos.  [default: the pictures of `demo`]")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A network to measure, such as builtin or builtin:int8. Repeat the option for "
            "more networks.  [default: mobilenet_v2 and builtin]"
        ),
    ] = None,
    rounds: Annotated[
        int, typer.Option(min=1, help="Number of measurements. Their medians are shown.")
    ] = 3,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure decoding, inference and indexing, and compare them with Keras.

    "decode", "inference", "bound" and "end to end" are images per second on all cores. "bound" is
    1/(1/decode + 1/inference). "end to end" is from image files to stored vectors; "of bound" and
    "x keras" compare it with the bound and with Keras. "keras idiom" is
    image_dataset_from_directory and model.predict with the weights of the first model. The
    measurements alternate, so the ratios within a run are more reliable than the figures of two.
    """
    from embedtool.collection.benchmark import run_bench

    with progress_bar(quiet=quiet) as progress:
        report = run_bench(photos, models=model or (), rounds=rounds, progress=progress)
    if json:
        emit_json(asdict(report))
        return
    header = (
        "model",
        "precision",
        "decode",
        "inference",
        "bound",
        "end to end",
        "of bound",
        "x keras",
    )
    rows = [
        (
            r.model,
            r.precision,
            f"{r.decode_images_per_second:.0f}",
            f"{r.inference_images_per_second:.0f}",
            f"{r.bound_images_per_second:.0f}",
            f"{r.end_to_end_images_per_second:.0f}",
            f"{r.share_of_bound:.2f}",
            f"{r.speedup_over_keras:.2f}",
        )
        for r in report.rows
    ]
    idiom = (
        f"keras idiom, {report.keras_model}",
        "",
        "",
        "",
        "",
        f"{report.keras_images_per_second:.0f}",
        "",
        "1.00",
    )
    emit_table(header, [*rows, idiom])
    say(f"{report.images} images, {report.cores} cores, medians of {report.rounds} rounds")


@bench.command("search")
def bench_search(
    index: Annotated[Path, typer.Argument(help="The folder of the index.")],
    vectors: Annotated[
        int | None,
        typer.Option(
            min=4000,
            help="Number of vectors to search among. If the index has fewer, more are "
            "interpolated.  [default: all vectors of the index]",
        ),
    ] = None,
    min_recall: Annotated[
        float,
        typer.Option(
            help="Share of the true 10 nearest vectors that approximate search must find."
        ),
    ] = MIN_RECALL,
    api: Annotated[
        bool,
        typer.Option(
            "--api",
            help="Measure `Index.search` of the Python library, one query at a time, instead of "
            "comparing exact with approximate search.",
        ),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure exact and approximate search over an index.

    1,000 vectors are held out and used as queries. The times are milliseconds per query: "p50" and
    "p99" are the median and the 99th percentile of single queries, "batch" is the mean of a batch
    of 1,000 on all cores. "x exact" and "x batch" are the speed-ups over exact search. "resident
    MB" is the memory of the process without memory-mapped files. Exact and approximate search each
    run in their own process.

    --api measures the median time of four operations on single queries: search by a vector among
    arrays in memory, search by the path of an indexed photo, decoding and inference of a new photo,
    and search by a new photo.
    """
    if api:
        _bench_api(index, vectors, json, quiet)
        return
    from embedtool.errors import ModelOffline, ModelUnavailable
    from embedtool.models.embedder import embedder_of
    from embedtool.models.unrelated_vectors import unrelated_vectors
    from embedtool.search.benchmark import run_search_bench
    from embedtool.store.reader import IndexReader

    embedder = None
    with suppress(ModelOffline, ModelUnavailable), IndexReader(index) as opened:
        embedder = embedder_of(opened.model, opened.recipe)
    with progress_bar(quiet=quiet) as progress:
        report = run_search_bench(
            index,
            vectors=vectors,
            min_recall=min_recall,
            unrelated=lambda fingerprint, dim: unrelated_vectors(fingerprint, dim, embedder),
            progress=progress,
        )
    if json:
        emit_json(asdict(report))
        return
    header = ("method", "p50 ms", "p99 ms", "batch ms", "x exact", "x batch")
    recalls = tuple(f"recall@{k}" for k in report.rows[0].recall)
    rows = [
        (
            r.method,
            f"{r.p50_ms:.2f}",
            f"{r.p99_ms:.2f}",
            f"{r.batch_ms:.3f}",
            f"{r.speedup_p50:.1f}",
            f"{r.speedup_batch:.1f}",
            *(f"{share:.4f}" for share in r.recall.values()),
            "" if r.resident_mb is None else f"{r.resident_mb:.0f}",
        )
        for r in report.rows
    ]
    emit_table((*header, *recalls, "resident MB"), rows)
    say(
        f"{report.vectors:,} vectors of {report.dim:,} ({report.synthetic:,} synthetic), index of "
        f"{report.certificate.memory_bytes / 1e6:,.0f} MB built in {report.build_seconds:,.0f} s"
    )


def _bench_api(index: Path, vectors: int | None, json: bool, quiet: bool) -> None:
    from embedtool.library.benchmark import run_api_bench

    with progress_bar(quiet=quiet) as progress:
        report = run_api_bench(index, vectors=vectors, progress=progress)
    if json:
        emit_json(asdict(report))
        return
    emit_table(
        ("what", "p50 ms"),
        [
            ("search of a vector in memory", report.search_ms),
            ("search by an indexed path", report.indexed_path_ms),
            ("decoding and inference", report.embed_ms),
            ("search by a new photo", report.new_photo_ms),
        ],
    )
    say(f"{report.vectors:,} vectors of {report.dim:,}, {report.method}")


@bench.command("finetune")
def bench_finetune(
    photos: Annotated[
        Path | None,
        typer.Argument(
            help="Photos, with one folder per class.  [default: the pictures of `demo`]"
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="The network, a MobileNetV2: auto, mobilenet_v2 or builtin.")
    ] = "auto",
    unfreeze: Annotated[
        str, typer.Option(help="The lowest trainable block: block_1 to block_16 or Conv_1.")
    ] = "block_13",
    images: Annotated[int, typer.Option(min=16, help="Number of training images.")] = 256,
    rounds: Annotated[
        int, typer.Option(min=1, help="Number of measurements. Their medians are shown.")
    ] = 3,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure an epoch of fine-tuning, and compare it with Keras.

    Both train the same layers of the same network on the same images. The times are seconds per
    1,000 images. embedtool computes the output of the frozen layers once for each augmented copy;
    Keras uses image_dataset_from_directory, augmentation layers and model.fit, without XLA.
    "of Keras" is the ratio of the times. "parity" is the largest 1 - cosine between the vectors of
    embedtool and of Keras.
    """
    from embedtool.finetune.benchmark import run_finetune_bench

    with progress_bar(quiet=quiet) as progress:
        report = run_finetune_bench(
            photos, model=model, unfreeze=unfreeze, images=images, rounds=rounds, progress=progress
        )
    if json:
        emit_json(asdict(report))
        return
    emit_table(
        ("training", "s / 1,000 images", "of Keras", "accuracy"),
        [
            ("embedtool", f"{report.epoch:.1f}", f"{report.ratio:.2f}", f"{report.accuracy:.4f}"),
            ("model.fit", f"{report.keras_epoch:.1f}", "1.00", f"{report.keras_accuracy:.4f}"),
        ],
    )
    say(
        f"{report.model} from {report.unfreeze}, {report.images} images, {report.held_out} held "
        f"out, {report.cores} cores, medians of {report.rounds} rounds; frozen layers computed in "
        f"{report.computed_once:.1f} s / 1,000 copies; parity {report.parity:.1g}"
    )
