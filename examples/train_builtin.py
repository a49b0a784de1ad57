"""Distil a small, fast MobileNetV2 from the full one, on any folder of photos.

    python examples/train_builtin.py train PHOTOS --out MODEL
    python examples/train_builtin.py evaluate MODEL --train DIR --test DIR --test DIR
    python examples/train_builtin.py ship WEIGHTS.safetensors FOLDER --card CARD.json

The teacher, MobileNetV2 1.0/224, embeds random crops of every photo once; the student, of any width
and input size, sees the same crops, flipped and recoloured, and learns to give the same cosine
geometry. What comes out is a model folder: `embedtool index PHOTOS --model MODEL`. Interrupted, the
same command goes on at its last epoch. Any Keras backend will do: KERAS_BACKEND=jax on a GPU.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import typer
from PIL import Image
from safetensors.numpy import load_file, save

from embedtool.core.atomic_files import atomic_write
from embedtool.core.threads import cpu_count
from embedtool.errors import ImageRejected
from embedtool.images.decode import decode_image
from embedtool.images.listing import list_photos, require_images
from embedtool.images.read_file import read_source
from embedtool.models import mobilenet
from embedtool.models.model_folder import write_folder

STORED = 160  # pixels a photo is kept at: more than any student sees
TEACHER = 224
CROP_AREA = (0.35, 1.0)  # share of the picture a random crop covers
CROP_SHAPE = (3 / 4, 4 / 3)
SIMILARITY_WEIGHT = 4.0  # of the batch's similarity matrix beside the cosine terms
WEIGHT_DECAY = 0.02
MOMENTUM = 0.98  # of the batch norm averages: Keras's 0.999 lags behind a run of a few epochs
WARM_UP = 0.05  # share of all steps

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def train(
    photos: Annotated[Path, typer.Argument(help="A folder of photos; no labels are needed.")],
    out: Annotated[Path, typer.Option(help="The model folder to write.")],
    alpha: Annotated[float, typer.Option(help="Width: 0.35, 0.5, 0.75 or 1.0.")] = 0.5,
    size: Annotated[int, typer.Option(help="Input pixels, a multiple of 32.")] = 96,
    epochs: int = 20,
    views: Annotated[int, typer.Option(help="Crops of each photo the teacher embeds.")] = 2,
    batch: int = 128,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 3e-3,
    start: Annotated[Path | None, typer.Option(help="Start from this safetensors file.")] = None,
    limit: Annotated[int | None, typer.Option(help="Use only so many photos.")] = None,
    seed: int = 0,
) -> None:
    """Train a student and write it as a model folder."""
    work = out.with_name(out.name + ".training")
    work.mkdir(parents=True, exist_ok=True)
    pictures = _pictures(photos, work, limit)
    boxes = _boxes(len(pictures), views, seed)
    targets = _targets(pictures, boxes, work)

    keras.utils.set_random_seed(seed)
    student = mobilenet.build(alpha, size)
    if start:
        mobilenet.set_tensors(student, load_file(start))
    for layer in student.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM
    pooled = keras.layers.GlobalAveragePooling2D()(student.output)
    model = keras.Model(student.input, keras.layers.UnitNormalization()(pooled))
    steps = epochs * (len(pictures) // batch)
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / 20, steps, warmup_target=learning_rate, warmup_steps=int(WARM_UP * steps)
    )
    centre = targets.reshape(-1, targets.shape[-1]).astype(np.float32).mean(0)
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY, name="adamw"), Geometry(centre)
    )
    losses = _restore(model, work)
    for epoch in range(len(losses), epochs):
        data = Crops(pictures, boxes, targets, size=size, batch=batch, seeds=(seed, epoch))
        history = model.fit(
            data, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0
        )  # the data set shuffles itself, by its own seeds
        losses.append(history.history["loss"][0])
        _save(model, losses, work)
        print(f"epoch {epoch + 1} of {epochs}: loss {losses[-1]:.4f}", flush=True)

    tensors = mobilenet.get_tensors(student)
    training = {
        "method": "distilled from MobileNetV2 1.0/224 by examples/train_builtin.py",
        "photos": len(pictures),
        "views": views,
        "epochs": epochs,
        "batch": batch,
        "rate": learning_rate,
        "seed": seed,
        "loss": round(losses[-1], 5),
    }
    _write(tensors, alpha, size, out, {"training": training}, precision="float32")
    print(f"wrote {out}: embedtool index PHOTOS --model {out}")


@app.command()
def evaluate(
    models: Annotated[list[str], typer.Argument(help="Model specs, MODEL or MODEL:int8.")],
    train: Annotated[Path, typer.Option(help="Labelled by folder: learned from and searched.")],
    test: Annotated[list[Path], typer.Option(help="Labelled by folder: evaluated on.")],
) -> None:
    """Print linear probe accuracy and precision@10 of each model."""
    for model in models:
        print(json.dumps({"model": model, **measure(model, train, test)}), flush=True)


@app.command()
def ship(
    weights: Annotated[Path, typer.Argument(help="Student weights by Keras name, safetensors.")],
    out: Annotated[Path, typer.Argument(help="The model folder to write.")],
    card: Annotated[Path, typer.Option(help="JSON that becomes the folder's card.")],
    alpha: float = 0.5,
    size: int = 96,
    precision: Annotated[str, typer.Option(help="int8 or float32, the folder's default.")] = "int8",
) -> None:
    """Make a model folder that carries its compiled LiteRT file, as the package's builtin does."""
    content = json.loads(card.read_text("utf-8"))
    _write(load_file(weights), alpha, size, out, content, precision=precision, carry=True)


def measure(model: str, train: Path, test: list[Path]) -> dict[str, float]:
    """Multinomial logistic regression on unit vectors, the best of three C; and the share of the 10
    nearest training images, by the plain cosine, that have the query's label."""
    from sklearn.linear_model import LogisticRegression

    from embedtool import embed_photos

    spec, _, precision = model.partition(":")
    labels, vectors = [], []
    for folder in (train, *test):
        found = embed_photos(folder, model=spec, precision=precision or None)
        labels.append(np.array([path.parent.name for path in found.paths]))
        vectors.append(found.vectors)
    train_vectors, train_labels = vectors[0], labels[0]
    test_vectors, test_labels = np.vstack(vectors[1:]), np.concatenate(labels[1:])
    accuracy = max(
        LogisticRegression(C=c, max_iter=500)
        .fit(train_vectors, train_labels)
        .score(test_vectors, test_labels)
        for c in (10, 100, 1000)
    )
    nearest = np.argsort(-(test_vectors @ train_vectors.T), axis=1, kind="stable")[:, :10]
    right = train_labels[nearest] == test_labels[:, None]
    return {
        "linear_probe_accuracy": round(float(accuracy), 4),
        "precision_at_10": round(float(right.mean()), 4),
    }


def _pictures(photos: Path, work: Path, limit: int | None) -> np.ndarray:
    """Every photo that decodes, uint8 (n, STORED, STORED, 3), kept on disk."""
    file = work / "pictures.npy"
    if not file.exists():
        listing = list_photos([photos])
        require_images(listing)
        files = listing.files[:limit]

        def read(source: object) -> np.ndarray | None:
            try:
                return decode_image(read_source(source)[1], STORED)  # type: ignore[arg-type]
            except ImageRejected as reject:
                print(f"left out: {reject}")
                return None

        with ThreadPoolExecutor(cpu_count()) as pool:
            whole = [picture for picture in pool.map(read, files) if picture is not None]
        with atomic_write(file) as opened:
            np.save(opened, np.stack(whole))
    pictures: np.ndarray = np.load(file, mmap_mode="r")
    return pictures


def _boxes(n: int, views: int, seed: int) -> np.ndarray:
    """Random resized crops (n, views, 4): left, top, right, bottom in pixels of STORED."""
    random = np.random.default_rng(seed)
    area = random.uniform(*CROP_AREA, (n, views)) * STORED**2
    least, most = np.log(CROP_SHAPE)
    shape = np.exp(random.uniform(least, most, (n, views)))
    wide = np.sqrt(area * shape).clip(None, STORED)
    tall = np.sqrt(area / shape).clip(None, STORED)
    left = random.uniform(0, 1, (n, views)) * (STORED - wide)
    top = random.uniform(0, 1, (n, views)) * (STORED - tall)
    return np.stack([left, top, left + wide, top + tall], -1)


def _crop(picture: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    image = Image.fromarray(picture)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=tuple(box)))


def _targets(pictures: np.ndarray, boxes: np.ndarray, work: Path) -> np.ndarray:
    """The teacher's unit rows of every crop, float16 (n, views, d), kept on disk."""
    file = work / f"teacher-{hashlib.sha256(boxes.tobytes()).hexdigest()[:16]}.npy"
    if not file.exists():
        embed = _teacher()
        rows = []
        with ThreadPoolExecutor(cpu_count()) as pool:

            def one(number: int) -> np.ndarray:
                crops = [_crop(pictures[number], box, TEACHER) for box in boxes[number]]
                return embed(np.stack(crops)).astype(np.float16)

            for number, row in enumerate(pool.map(one, range(len(pictures)))):
                rows.append(row)
                if number % 2000 == 0:
                    print(f"teacher: {number} of {len(pictures)} photos", flush=True)
        with atomic_write(file) as opened:
            np.save(opened, np.stack(rows))
    targets: np.ndarray = np.load(file)
    return targets


def _teacher() -> Callable[[np.ndarray], np.ndarray]:
    """LiteRT where TensorFlow runs on a CPU, else Keras itself on whatever it runs on."""
    if keras.backend.backend() == "tensorflow":
        from embedtool.models import load_backbone
        from embedtool.models.embedder import NetworkEmbedder

        return NetworkEmbedder(load_backbone("mobilenet_v2")).embed
    full = keras.applications.MobileNetV2(
        input_shape=(TEACHER, TEACHER, 3), include_top=False, pooling="avg"
    )

    def embed(pixels: np.ndarray) -> np.ndarray:
        rows = np.asarray(full.predict_on_batch(pixels / np.float32(127.5) - 1))
        units: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return units

    return embed


class Crops(keras.utils.PyDataset):  # type: ignore[misc]
    """One epoch: batches of (pixels in [-1, 1] (b, s, s, 3), teacher rows (b, d)), one view of each
    photo, flipped and recoloured. All of it follows from `seeds`, whatever worker draws it."""

    def __init__(
        self,
        pictures: np.ndarray,
        boxes: np.ndarray,
        targets: np.ndarray,
        *,
        size: int,
        batch: int,
        seeds: tuple[int, int],
    ) -> None:
        super().__init__(workers=cpu_count(), max_queue_size=8)
        self.pictures, self.boxes, self.targets = pictures, boxes, targets
        self.size, self.batch, self.seeds = size, batch, seeds
        random = np.random.default_rng(seeds)
        n, views = boxes.shape[:2]
        self.order = random.permutation(n)
        self.view = random.integers(0, views, (n,))

    def __len__(self) -> int:
        return len(self.pictures) // self.batch

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.order[step * self.batch : (step + 1) * self.batch]
        random = np.random.default_rng((*self.seeds, step))
        pixels = np.stack(
            [_crop(self.pictures[n], self.boxes[n, self.view[n]], self.size) for n in chosen]
        ).astype(np.float32)
        flips = random.random(len(chosen)) < 0.5
        pixels[flips] = pixels[flips, :, ::-1]
        contrast = random.uniform(0.7, 1.3, (len(chosen), 1, 1, 1))
        light = random.uniform(-25, 25, (len(chosen), 1, 1, 1))
        tint = random.uniform(-12, 12, (len(chosen), 1, 1, 3))
        pixels = ((pixels - 128) * contrast + 128 + light + tint).clip(0, 255)
        return (
            (pixels / 127.5 - 1).astype(np.float32),
            self.targets[chosen, self.view[chosen]].astype(np.float32),
        )


class Geometry(keras.losses.Loss):  # type: ignore[misc]
    """1 - cosine to the teacher, the same with the teacher's mean subtracted from both, and the
    squared difference of the batch's two similarity matrices of centred rows."""

    def __init__(self, centre: np.ndarray) -> None:
        super().__init__(name="geometry")
        self.centre = keras.ops.convert_to_tensor(centre)

    def call(self, y_true, y_pred):  # type: ignore[no-untyped-def]
        ops = keras.ops
        plain = 1 - ops.sum(y_true * y_pred, -1)
        teacher = ops.normalize(y_true - self.centre, axis=-1)
        student = ops.normalize(y_pred - self.centre, axis=-1)
        centred = 1 - ops.sum(teacher * student, -1)
        off = student @ ops.transpose(student) - teacher @ ops.transpose(teacher)
        return plain + centred + SIMILARITY_WEIGHT * ops.mean(ops.square(off), -1)


def _restore(model: keras.Model, work: Path) -> list[float]:
    """Load the last state into a compiled model; the losses of the epochs behind it."""
    model.optimizer.build(model.trainable_variables)
    file = work / "checkpoint.safetensors"
    if not file.exists():
        return []
    state = load_file(file)
    for name, variable in _variables(model):
        variable.assign(state[name])
    losses: list[float] = state["losses"].tolist()
    return losses


def _save(model: keras.Model, losses: list[float], work: Path) -> None:
    """Weights, optimiser and losses in one file, after every epoch."""
    state = {name: np.asarray(v.value) for name, v in _variables(model)}
    state["losses"] = np.array(losses)
    with atomic_write(work / "checkpoint.safetensors") as opened:
        opened.write(save(state))


def _variables(model: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    yield from ((f"model/{v.path}", v) for v in model.variables)
    yield from ((f"optimizer/{v.path}", v) for v in model.optimizer.variables)


def _write(
    tensors: dict[str, np.ndarray],
    alpha: float,
    size: int,
    out: Path,
    card: dict[str, object],
    *,
    precision: str,
    carry: bool = False,
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    model = mobilenet.model_folder(
        out, tensors, name=out.name, alpha=alpha, size=size, precision=precision, card=card
    )
    write_folder(model, tensors)
    if carry:
        from embedtool.models.tensorflow_jobs import to_litert

        content = to_litert(model, model.layer, precision)
        (out / f"{precision}.tflite").write_bytes(content)
        carried = {f"{precision}.tflite": hashlib.sha256(content).hexdigest()}
        write_folder(replace(model, compiled=carried), tensors)


if __name__ == "__main__":
    app()
