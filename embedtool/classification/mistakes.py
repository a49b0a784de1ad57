"""Images that a classifier predicted wrongly."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Mistake:
    """An image with a wrong prediction. probability: that of the predicted class."""

    path: Path
    truth: str
    predicted: str
    probability: float


def most_confident_mistakes(
    paths: Sequence[Path],
    truth: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float32],
    classes: Sequence[str],
) -> list[Mistake]:
    """Return the mistakes among n images, the most confident first, given their paths (n,), true
    classes (n,) and predicted probabilities (n, c)."""
    predicted, confidence = probabilities.argmax(1), probabilities.max(1)
    wrong = np.flatnonzero(predicted != truth)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    return [
        Mistake(paths[n], classes[truth[n]], classes[predicted[n]], float(confidence[n]))
        for n in wrong.tolist()
    ]
