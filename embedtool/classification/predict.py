"""`predict_images`: the class of every image of an index, by a probe."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embedtool.classification.label_suggestions import suggest
from embedtool.classification.labels import read_labels
from embedtool.classification.probe import Probe
from embedtool.classification.temperature import Probabilities
from embedtool.core.tables import write_table
from embedtool.core.types import PathLike, Progress
from embedtool.errors import UsageError
from embedtool.store.reader import IndexReader

CANDIDATES = 4_000  # for a label next, a random share where there are more: 64 MB of similarities


@dataclass(frozen=True)
class Prediction:
    """One image. label is None where the probability of the likeliest class is below what was
    asked for: the probe abstains."""

    path: Path
    label: str | None
    likeliest: str
    probability: float
    margin: float  # to the second


@dataclass(frozen=True)
class Predictions:
    """Every image of an index, first indexed first. probabilities (n, c); suggested: the images
    most worth a label next, of those that were not learned from."""

    classes: tuple[str, ...]
    images: tuple[Prediction, ...]
    probabilities: Probabilities
    abstained: int
    suggested: tuple[Path, ...]

    def record(self) -> dict[str, Any]:
        rows = zip(self.images, self.probabilities.tolist(), strict=True)
        return {
            "classes": list(self.classes),
            "predictions": [
                {
                    "path": str(one.path),
                    "label": one.label,
                    "likeliest": one.likeliest,
                    "probability": one.probability,
                    "margin": one.margin,
                    "probabilities": row,
                }
                for one, row in rows
            ],
            "abstained": self.abstained,
            "suggested": [str(path) for path in self.suggested],
        }


def predict_images(
    index: IndexReader,
    probe: Probe,
    *,
    abstain_below: float = 0.0,
    suggest_count: int = 0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Predictions:
    """The class of every image of an index, with the probability of each class.

    abstain_below: a probability below which an image gets no label. suggest_count: how many to
    suggest for labelling next, see `label_suggestions.suggest`; copies are suggested once, and of
    very many images a random share is looked at.
    Raises ModelMismatch where the index holds vectors of another model than the probe was made for,
    UsageError where a number cannot be meant.
    """
    if not 0 <= abstain_below <= 1:
        raise UsageError(f"expected a probability from 0 to 1, received {abstain_below}")
    if suggest_count < 0:
        raise UsageError(f"expected a number of images to suggest, received {suggest_count}")
    with index.snapshot():
        probe.check_fingerprint(index.fingerprint, index.path)
        labelled = read_labels(index)
        by_content = probe.predict(index, labelled.vectors, progress)
        suggested: list[Path] = []
        if suggest_count:
            new = np.flatnonzero(~probe.was_trained_on(labelled.digests))
            new = np.sort(np.random.default_rng(seed).permutation(new)[:CANDIDATES])
            rows = index.rows_at(index.places(labelled.vectors[new].tolist()))
            chosen = new[suggest(rows, by_content[new], suggest_count)]
            paths = labelled.content_paths()
            suggested = [paths[content] for content in chosen.tolist()]
    probabilities = by_content[labelled.contents]
    ordered = np.sort(probabilities, 1)
    likeliest, best = probabilities.argmax(1).tolist(), ordered[:, -1].tolist()
    margins = (ordered[:, -1] - ordered[:, -2]).tolist()
    images = tuple(
        Prediction(
            path,
            probe.classes[own] if sure >= abstain_below else None,
            probe.classes[own],
            sure,
            gap,
        )
        for path, own, sure, gap in zip(labelled.paths, likeliest, best, margins, strict=True)
    )
    abstained = sum(one.label is None for one in images)
    return Predictions(probe.classes, images, probabilities, abstained, tuple(suggested))


def write_predictions(predictions: Predictions, path: PathLike) -> None:
    """Write predictions as CSV, or Parquet where the name ends so: path, label (empty where the
    probe abstains), probability, margin, and the probability of each class as a column of its name,
    `p:NAME`. The first two columns serve as --labels once they are corrected."""
    write_table(
        path,
        ("path", "label", "probability", "margin", *(f"p:{c}" for c in predictions.classes)),
        (
            (str(one.path), one.label or "", one.probability, one.margin, *row)
            for one, row in zip(
                predictions.images, predictions.probabilities.round(6).tolist(), strict=True
            )
        ),
    )
