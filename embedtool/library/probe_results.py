"""The results of the methods of `Index` for classifiers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedtool.classification.compare_vectors import Comparison, Measure
from embedtool.classification.evaluate import ProbeEvaluation
from embedtool.classification.metrics import ClassScore
from embedtool.classification.predict import Prediction, Predictions
from embedtool.classification.probe import Probe
from embedtool.classification.train import ProbeReport
from embedtool.core.types import PathLike
from embedtool.library.sequences import SHOWN, Gallery, Results


class PredictionResult(Gallery[Prediction], Predictions):
    """The predicted class of every image, in the order the images were indexed."""

    item_type = Prediction

    @property
    def items(self) -> Sequence[Prediction]:
        return self.images

    def summary(self) -> str:
        return f"{len(self):,} images in {len(self.classes):,} classes, {self.abstained:,} unsure"

    def pictures(self) -> Iterator[tuple[Path, str]]:
        return ((one.path, f"{one.label or 'unsure'} {one.probability:.2f}") for one in self)

    def write_table(self, path: PathLike, *, raw_csv: bool = False) -> None:
        """Write the predictions as CSV, or as Parquet if the name ends in .parquet.

        raw_csv: leave out the apostrophe that keeps a spreadsheet from running text in CSV that
        begins with = + - @ or a tab as a formula.
        """
        from embedtool.classification.predict import write_predictions

        write_predictions(self, path, raw_csv=raw_csv)


@dataclass(frozen=True, repr=False)
class ProbeResult(Results[ClassScore], ProbeReport):
    """A trained probe, with its scores for each class on images that it was not trained on."""

    trained: Probe
    item_type = ClassScore

    @property
    def items(self) -> Sequence[ClassScore]:
        return self.evaluation.per_class

    def summary(self) -> str:
        return f"probe of {len(self):,} classes, accuracy {self.evaluation.accuracy}"

    def _repr_html_(self) -> str:
        from embedtool.report.notebook import table

        return table(self.summary(), self.to_records())


class EvaluationResult(Results[ClassScore], ProbeEvaluation):
    """The scores of a probe on labelled images, for each class."""

    item_type = ClassScore

    @property
    def items(self) -> Sequence[ClassScore]:
        return self.evaluation.per_class

    def summary(self) -> str:
        return f"{self.evaluation.n:,} images, accuracy {self.evaluation.accuracy}"

    def _repr_html_(self) -> str:
        from embedtool.report.notebook import gallery, table

        wrong = [(m.path, f"predicted {m.predicted}, is {m.truth}") for m in self.mistakes[:SHOWN]]
        return table(self.summary(), self.to_records()) + gallery(
            "most confident mistakes", wrong, len(wrong)
        )

    def write_html(self, path: PathLike) -> None:
        """Write an HTML page with the scores, the confusion matrix and the misclassified images."""
        from embedtool.report.evaluation_page import write_evaluation_page

        write_evaluation_page(
            self.evaluation,
            path,
            title=f"{self.probe} on {self.index}",
            mistakes=self.mistakes,
            notes=self.notes(),
        )


class ComparisonResult(Results[Measure], Comparison):
    """The scores of two models on the same images."""

    item_type = Measure

    @property
    def items(self) -> Sequence[Measure]:
        return self.measures

    def summary(self) -> str:
        return f"{self.models[0]} and {self.models[1]} on {self.images:,} images"

    def _repr_html_(self) -> str:
        from embedtool.report.notebook import table

        rows = [
            {"score": one.name, "A": one.first, "B": one.second, "change": one.change}
            for one in self
        ]
        return table(self.summary(), rows)

    def write_html(self, path: PathLike) -> None:
        """Write an HTML page that shows the two models side by side."""
        from embedtool.report.comparison_page import write_comparison_page

        write_comparison_page(self, path)
