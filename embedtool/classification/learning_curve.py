"""The accuracy of a classifier by the number of images that it was trained on."""

from dataclasses import dataclass

from embedtool.classification.cross_validation import CrossValidation, cross_validate
from embedtool.classification.logistic_regression import Labels
from embedtool.classification.splits import Numbers
from embedtool.core.types import Progress, Vectors


@dataclass(frozen=True)
class CurvePoint:
    images: int  # that the classifier was trained on
    accuracy: float  # on other images
    extrapolated: bool = False


def learning_curve(
    rows: Vectors,
    labels: Labels,
    folds: Numbers,
    classes: int,
    *,
    validation: CrossValidation,
    images: int,
    balanced: bool = False,
    progress: Progress | None = None,
) -> tuple[CurvePoint, ...]:
    """Return the accuracy of classifiers trained on all folds but two, on all but one, and on
    `images` images, which is extrapolated. With two folds, only the second is known.

    rows, labels, folds: as in `cross_validate`, whose result is `validation`.
    """
    count, scored = int(folds.max()) + 1, folds >= 0
    outside = len(folds) - int(scored.sum())

    def point(left_out: int, validation: CrossValidation) -> CurvePoint:
        right = validation.probabilities[scored].argmax(1) == labels[scored]
        inside = round(scored.sum() * (count - left_out) / count)
        return CurvePoint(inside + outside, float(right.mean()))

    more = point(1, validation)
    if count == 2:
        return (more,)
    validation_of_fewer = cross_validate(
        rows,
        labels,
        folds,
        classes,
        strengths=[validation.best.strength],
        left_out=2,
        balanced=balanced,
        progress=progress,
        stage="learning curve",
    )
    fewer = point(2, validation_of_fewer)
    return fewer, more, extrapolate(fewer, more, images)


def extrapolate(fewer: CurvePoint, more: CurvePoint, images: int) -> CurvePoint:
    """Return the accuracy with a larger number of images.

    The error is taken as a constant and a term that is inverse to the number of images (Cortes et
    al. 1993, Learning Curves: Asymptotic Values and Rate of Convergence, with exponent 1). A curve
    that falls is taken as level.
    """
    gain = max(more.accuracy - fewer.accuracy, 0.0)
    per_inverse = gain / (1 / fewer.images - 1 / more.images)
    accuracy = more.accuracy + per_inverse * (1 / more.images - 1 / images)
    return CurvePoint(images, min(accuracy, 1.0), extrapolated=True)
