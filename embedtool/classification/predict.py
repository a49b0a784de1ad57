"""`predict_images`: predict the class of every image of an index with a probe."""

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
from embedtool.search.centre import directions, read_centre
from embedtool.store.reader import IndexReader

CANDIDATES = 4_000  # images that suggestions are chosen from, 64 MB of similarities


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image. label is None if the probe abstains, since the probability of
    the likeliest class is below the requested one."""

    path: Path
    label: str | None
    likeliest: str
    probability: float
    margin: float  # to the second likeliest class


@dataclass(frozen=True)
class Predictions:
    """The predictions for every image of an index, in the order of indexing. probabilities: (n, c);
    suggested: the images to label next, among those that the probe was not trained on."""

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
    """Predict the class of every image of an index, with the probability of each class.

    abstain_below: an image gets no label if its highest probability is below this. suggest_count:
    how many images to suggest for labelling, see `label_suggestions.suggest`. Copies are suggested
    once. Of more than CANDIDATES images, a random sample is considered.
    Raises ModelMismatch if the index has vectors of another model than that of the probe,
    UsageError if a number is out of range.
    """
    if not 0 <= abstain_below <= 1:
        raise UsageError(f"expected abstain_below from 0 to 1, received {abstain_below}")
    if suggest_count < 0:
        raise UsageError(f"expected suggest_count of at least 0, received {suggest_count}")
    with index.snapshot():
        probe.check_fingerprint(index.fingerprint, index.path)
        labelled = read_labels(index)
        by_content = probe.predict(index, labelled.vectors, progress)
        suggested: list[Path] = []
        if suggest_count:
            new = np.flatnonzero(~probe.training_images.flags(labelled.digests))
            new = np.sort(np.random.default_rng(seed).permutation(new)[:CANDIDATES])
            rows = index.rows_at(index.places(labelled.vectors[new].tolist()))
            towards = directions(rows, read_centre(index))
            chosen = new[suggest(towards, by_content[new], suggest_count)]
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


def write_predictions(predictions: Predictions, path: PathLike, *, raw_csv: bool = False) -> None:
    """Write predictions as CSV, or as Parquet if the name ends in .parquet. The columns are path,
    label (empty if the probe abstains), probability, margin, and `p:NAME`, the probability of each
    class. The first two columns can be corrected and used as --labels."""
    write_table(
        path,
        ("path", "label", "probability", "margin", *(f"p:{c}" for c in predictions.classes)),
        (
            (str(one.path), one.label or "", one.probability, one.margin, *row)
            for one, row in zip(
                predictions.images, predictions.probabilities.round(6).tolist(), strict=True
            )
        ),
        raw_csv=raw_csv,
    )
