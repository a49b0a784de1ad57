"""The methods of `Index` for classifiers: train, predict, evaluate."""

from typing import TYPE_CHECKING

from embedtool.core.types import PathLike, Progress
from embedtool.library.connected import Connected

if TYPE_CHECKING:
    from embedtool.classification.labels import LabelTable
    from embedtool.classification.probe import Probe
    from embedtool.library.probe_results import EvaluationResult, PredictionResult, ProbeResult


class ProbeMethods(Connected):
    def probe(
        self,
        labels: "LabelTable | None" = None,
        *,
        out: PathLike | None = None,
        shots: int | None = None,
        balanced: bool = False,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> "ProbeResult":
        """Train a linear classifier on the vectors of the labelled images.

        labels: a mapping of paths to labels, or a CSV or Parquet file with the columns path and
        label; [default: the names of the folders]. out: the folder to write the probe to.
        shots: also report the accuracy with this many labelled images per class. balanced: give
        all classes the same weight, however many images each has.
        The classifier is a logistic regression; 5-fold cross-validation chooses its regularisation
        strength (C). The scores are of images that it was not trained on, with near-duplicates on
        the same side of each split.
        Raises UsageError (fewer than two classes, a class with one picture only, labels that match
        no image).

        >>> with embedtool.open("indexes/photos") as index:
        ...     probe = index.probe()
        >>> len(probe), probe[0].name, round(probe.evaluation.accuracy.value, 1)
        (12, 'balloons', 1.0)
        """
        from embedtool.classification.train import train_probe
        from embedtool.library.probe_results import ProbeResult

        with self.connection.session() as session:
            trained, report = train_probe(
                session.reader,
                out,
                labels=labels,
                shots=shots,
                balanced=balanced,
                seed=seed,
                progress=progress,
            )
        return ProbeResult(**vars(report), trained=trained)

    def predict(
        self,
        probe: "PathLike | Probe | ProbeResult",
        *,
        abstain_below: float = 0.0,
        suggest_count: int = 0,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> "PredictionResult":
        """Return the class of every image, with the probability of each class.

        probe: the result of `probe`, or the folder of a probe or of a fine-tuned model.
        abstain_below: an image whose most likely class has a probability below this gets no label.
        suggest_count: the number of images to suggest for labelling next.
        Raises ModelMismatch if the probe is for the vectors of another model, UsageError.

        >>> with embedtool.open("indexes/photos") as index:
        ...     found = index.predict(index.probe())
        >>> found[0].label, found.probabilities.shape
        ('balloons', (361, 12))
        """
        from embedtool.classification.predict import predict_images
        from embedtool.library.probe_results import PredictionResult

        with self.connection.session() as session:
            return PredictionResult.of(
                predict_images(
                    session.reader,
                    _probe(probe),
                    abstain_below=abstain_below,
                    suggest_count=suggest_count,
                    seed=seed,
                    progress=progress,
                )
            )

    def evaluate(
        self,
        probe: "PathLike | Probe | ProbeResult",
        *,
        labels: "LabelTable | None" = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> "EvaluationResult":
        """Compare the predictions of a probe with labels. Each score has a 95 % interval.

        probe: as in `predict`; labels: as in `probe`. Images that the probe or its network was
        trained on are left out, and their near-duplicates too. Raises ModelMismatch, and UsageError
        if no other image has a class that the probe knows.

        >>> with embedtool.open("indexes/photos") as index:
        ...     half = {image.path: image.path.parent.name for image in index.images[::2]}
        ...     index.evaluate(index.probe(half))
        <EvaluationResult: ... images, accuracy ...>
        """
        from embedtool.classification.evaluate import evaluate_probe
        from embedtool.library.probe_results import EvaluationResult

        with self.connection.session() as session:
            return EvaluationResult.of(
                evaluate_probe(
                    session.reader, _probe(probe), labels=labels, seed=seed, progress=progress
                )
            )


def _probe(probe: "PathLike | Probe | ProbeResult") -> "Probe":
    from embedtool.classification.probe import Probe, read_probe
    from embedtool.library.probe_results import ProbeResult

    if isinstance(probe, ProbeResult):
        return probe.trained
    return probe if isinstance(probe, Probe) else read_probe(probe)
