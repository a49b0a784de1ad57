"""Write the scores of predictions as a self-contained page."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from embedtool.classification.metrics import Evaluation
from embedtool.classification.mistakes import Mistake
from embedtool.core.types import PathLike
from embedtool.report import charts
from embedtool.report.page import render, write_page

THUMBNAIL = 200  # pixels on the longer side
SHOWN = 30  # mistakes shown with thumbnails
CONFUSIONS = 15  # pairs of classes listed, the most frequent
HEADLINES = {  # score -> its title and meaning
    "accuracy": ("accuracy", "share of images predicted correctly"),
    "balanced_accuracy": ("balanced accuracy", "mean recall of the classes that occur"),
    "macro_f1": ("macro F1", "mean over classes"),
    "macro_precision": ("macro precision", "mean over classes"),
    "macro_recall": ("macro recall", "mean over classes"),
    "top5_accuracy": ("top-5 accuracy", "true class among the five likeliest"),
    "ece": ("calibration error", "mean gap between confidence and accuracy; 0 is best"),
}


def write_evaluation_page(
    evaluation: Evaluation,
    path: PathLike,
    *,
    title: str,
    mistakes: Sequence[Mistake] = (),
    curves: Sequence[Mapping[str, Any]] = (),
    notes: Sequence[str] = (),
) -> None:
    """Write scores as one self-contained HTML page: scores with confidence intervals, the confusion
    matrix, each class, calibration, and the most confident mistakes with thumbnails.

    mistakes: the most confident first. curves: one mapping per epoch, with "epoch", the training
    "loss" and "accuracy", "validation_loss" and "validation_accuracy", each a number or None.
    """
    page = evaluation_page(evaluation, title=title, mistakes=mistakes, curves=curves, notes=notes)
    write_page(path, page)


def evaluation_page(
    evaluation: Evaluation,
    *,
    title: str,
    mistakes: Sequence[Mistake] = (),
    curves: Sequence[Mapping[str, Any]] = (),
    notes: Sequence[str] = (),
) -> str:
    """Return HTML with inline charts and thumbnails."""
    confusion = evaluation.confusion
    return render(
        "evaluation.html",
        title=title,
        evaluation=evaluation,
        texts=notes,
        scores=[(*HEADLINES[name], score) for name, score in evaluation.headlines().items()],
        charts=charts,
        confusions=_confusions(evaluation),
        classes=sorted(evaluation.per_class, key=lambda one: (one.f1, one.name)),
        curves=_curves(curves),
        wrong=sum(map(sum, confusion)) - sum(row[i] for i, row in enumerate(confusion)),
        mistakes=mistakes[:SHOWN],
        side=THUMBNAIL,
    )


def _confusions(evaluation: Evaluation) -> list[tuple[int, float, str, str]]:
    """Return the most frequent confusions: images, their share of the true class, both names."""
    pairs = [
        (count, count / sum(row), evaluation.classes[i], evaluation.classes[j])
        for i, row in enumerate(evaluation.confusion)
        for j, count in enumerate(row)
        if count and i != j
    ]
    return sorted(pairs, key=lambda pair: (-pair[0], -pair[1], pair[2:]))[:CONFUSIONS]


def _curves(history: Sequence[Mapping[str, Any]]) -> list[Markup]:
    epochs = [int(one["epoch"]) for one in history]
    drawn = []
    for name in ("accuracy", "loss"):
        lines = {
            label: [one.get(key) for one in history]
            for label, key in (("training", name), ("validation", f"validation_{name}"))
        }
        lines = {k: v for k, v in lines.items() if any(value is not None for value in v)}
        highest = max((v for values in lines.values() for v in values if v is not None), default=0)
        if lines:
            top = 1 if name == "accuracy" else highest or 1
            drawn.append(charts.curves(epochs, lines, name, top))
    return drawn
