"""Measure the speed of indexing on this machine, compared with the Keras idiom in the same run."""

import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np

from embedtool.collection.results import BenchReport, BenchRow
from embedtool.collection.sync import sync
from embedtool.core.paths import full_path
from embedtool.core.threads import cpu_count
from embedtool.core.types import Progress, Source
from embedtool.errors import ImageRejected, ModelOffline, UsageError
from embedtool.images.decode import decode_image
from embedtool.images.drawn import draw_photos
from embedtool.images.listing import list_photos, require_images
from embedtool.images.read_file import read_source
from embedtool.models import Backbone, load_backbone
from embedtool.models.embedder import NetworkEmbedder
from embedtool.store.writer import create

Item = TypeVar("Item")
ROUNDS = 3
DECODED = 64  # decoded images that the inference measurement uses again and again


@dataclass
class _Series:
    backbone: Backbone
    embedder: NetworkEmbedder
    decode: list[float] = field(default_factory=list)
    inference: list[float] = field(default_factory=list)
    end_to_end: list[float] = field(default_factory=list)


def run_bench(
    photos: str | os.PathLike[str] | None = None,
    *,
    models: Sequence[str] = (),
    rounds: int = ROUNDS,
    progress: Progress | None = None,
) -> BenchReport:
    """Measure decoding, inference, indexing end to end and the Keras idiom, in turn in each round.

    photos: one folder; default: the demo pictures. models: names of networks, each with an optional
    suffix ":float32" or ":int8"; default: mobilenet_v2 in both precisions, if it is available, and
    builtin. The Keras idiom uses the weights of the first model in float32. Raises UsageError if
    photos is not a folder.
    """
    if photos is not None and not Path(photos).is_dir():
        raise UsageError(f"expected an existing folder of photos, received {photos}")
    with tempfile.TemporaryDirectory(prefix="embedtool-bench-") as scratch:
        folder = Path(photos) if photos is not None else Path(scratch) / "photos"
        if photos is None:
            draw_photos(folder, jpeg_only=True)
        listing = list_photos([folder])
        require_images(listing)
        series = [_series(spec) for spec in models or _default_models()]
        from embedtool.collection.keras_baseline import KerasBaseline

        first = series[0].backbone
        baseline = KerasBaseline(first.folder, first.recipe.layer)
        keras: list[float] = []
        steps, step = rounds * (len(series) + 1), 0
        for turn in range(-1, rounds):  # the first turn warms up and is not counted
            for one in series:
                _measure(one, listing.files, folder, Path(scratch), counted=turn >= 0)
                step += turn >= 0
                if progress:
                    progress(step, steps, stage="measuring")
            speed = baseline.images_per_second(folder)
            if turn >= 0:
                keras.append(speed)
                step += 1
    return BenchReport(
        images=len(listing.files),
        cores=cpu_count(),
        rounds=rounds,
        keras_model=f"{first.spec} float32",
        keras_images_per_second=median(keras),
        rows=tuple(_row(one, keras) for one in series),
    )


def _default_models() -> list[str]:
    try:
        load_backbone("mobilenet_v2")
    except ModelOffline:
        return ["builtin"]
    return ["mobilenet_v2:float32", "mobilenet_v2:int8", "builtin"]


def _series(spec: str) -> _Series:
    name, _, precision = spec.partition(":") if "://" not in spec else (spec, "", "")
    backbone = load_backbone(name, precision=precision or None)
    return _Series(backbone, NetworkEmbedder(backbone))


def _measure(
    one: _Series, files: Sequence[Source], folder: Path, scratch: Path, *, counted: bool
) -> None:
    size, embedder = one.embedder.size, one.embedder

    def decode_file(file: Source) -> None:
        try:
            decode_image(read_source(file)[1], size)
        except ImageRejected as reject:
            raise UsageError(
                f"{full_path(file.root, file.path)}: {reject}. The Keras idiom stops at such a "
                "file, so bench needs a folder without rejects. To find them, run: embedtool "
                f"index {full_path(file.root, b'')}"
            ) from reject

    decoding = _rate(decode_file, files)
    decoded = [decode_image(read_source(file)[1], size)[None] for file in files[:DECODED]]
    inferring = _rate(lambda n: embedder.embed(decoded[n % len(decoded)]), range(len(files)))
    with (
        tempfile.TemporaryDirectory(dir=scratch) as place,
        create(
            Path(place) / "index",
            model=one.backbone.spec,
            recipe=one.backbone.recipe,
            dim=embedder.dim,
            golden=np.zeros((0, embedder.dim), np.float32),
            created_by="bench",
        ) as index,
    ):
        start = time.perf_counter()
        sync(index, [folder], lambda: embedder)
        seconds = time.perf_counter() - start
    if counted:
        one.decode.append(decoding)
        one.inference.append(inferring)
        one.end_to_end.append(len(files) / seconds)


def _rate(work: Callable[[Item], object], items: Sequence[Item]) -> float:
    """Return the items per second of `work` on all cores, each with its own share of the items."""
    cores = cpu_count()
    with ThreadPoolExecutor(cores) as pool:
        start = time.perf_counter()
        shares = [items[core::cores] for core in range(cores)]
        for _ in pool.map(lambda share: deque(map(work, share), maxlen=0), shares):
            pass
        return len(items) / (time.perf_counter() - start)


def _row(one: _Series, keras: Sequence[float]) -> BenchRow:
    bounds = [1 / (1 / d + 1 / i) for d, i in zip(one.decode, one.inference, strict=True)]
    pairs = list(zip(one.end_to_end, bounds, keras, strict=True))
    return BenchRow(
        model=one.backbone.spec,
        precision=one.backbone.precision,
        decode_images_per_second=median(one.decode),
        inference_images_per_second=median(one.inference),
        bound_images_per_second=median(bounds),
        end_to_end_images_per_second=median(one.end_to_end),
        share_of_bound=median(end / bound for end, bound, _ in pairs),
        speedup_over_keras=median(end / baseline for end, _, baseline in pairs),
    )
