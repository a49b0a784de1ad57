"""Embeddings as a step of a scikit-learn pipeline."""

import warnings
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from embedtool.errors import ModelMismatch, UsageError
from embedtool.models.backbone import Backbone, load_backbone
from embedtool.models.embed_photos import Input, OnReject, embed_inputs, named_file
from embedtool.models.embedder import NetworkEmbedder


class ImageEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A transformer of image paths into vectors: from n paths it computes float32 (n, d), row i
    from path i.

    model, layer, precision: as in `embedtool.embed_photos`. on_reject: what happens if a file is
    missing, broken or not an image. "raise": embed all other files, then raise TooManyRejects,
    whose `rejects` lists each such file. "nan": fill its row with NaN.

    Fitted attributes: n_features_out_ (d), n_features_in_ (1), model_ (the name of the network that
    `fit` loaded, which differs from `model` if that is "auto") and fingerprint_ (of that network,
    layer and precision).

    A pickle or a copy has the settings and the fitted attributes, but not the network. It loads the
    network at its first `transform`, and raises ModelMismatch if its fingerprint has changed.

    >>> from pathlib import Path
    >>> import embedtool
    >>> from embedtool.sklearn import ImageEmbedder
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> embedtool.draw_photos("labelled", per_kind=5, jpeg_only=True)
    60
    >>> paths = sorted(Path("labelled").glob("*/*.jpg"))
    >>> kinds = [path.parent.name for path in paths]
    >>> pipeline = make_pipeline(ImageEmbedder(model="builtin"), LogisticRegression())
    >>> [str(kind) for kind in pipeline.fit(paths, kinds).predict(paths[:2])]
    ['balloons', 'balloons']
    """

    _embedder: NetworkEmbedder | None = None  # loaded by fit, or by the first transform of a copy

    def __init__(
        self,
        model: str = "auto",
        *,
        layer: str | None = None,
        precision: str | None = None,
        on_reject: OnReject = "raise",
    ) -> None:
        self.model = model
        self.layer = layer
        self.precision = precision
        self.on_reject = on_reject

    def fit(self, X: Any, y: object = None) -> Self:
        """Load the network. No image is read.

        X: paths of shape (n,) or (n, 1): a list, a NumPy array, or a pandas Series or DataFrame.
        y: ignored. Raises UsageError, ModelOffline and ModelUnavailable.
        """
        self._inputs(X)
        backbone = load_backbone(self.model, layer=self.layer, precision=self.precision)
        if backbone.note:
            warnings.warn(backbone.note, stacklevel=2)
        self._load(backbone)
        self.model_ = backbone.spec
        self.fingerprint_ = backbone.fingerprint
        self.n_features_in_ = 1
        self.n_features_out_ = backbone.dim
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float32]:
        """Return unit vectors, float32 (n, d). With on_reject="nan", rows of rejects are NaN.

        X: as in `fit`. Raises NotFittedError, UsageError, TooManyRejects and ModelMismatch.
        """
        check_is_fitted(self)
        inputs = self._inputs(X)
        embedder = self._embedder or self._load_again()
        return embed_inputs(inputs, embedder, on_reject=self.on_reject).vectors

    @property
    def _n_features_out(self) -> int:
        """The number of names that get_feature_names_out returns: imageembedder0 and so on."""
        return self.n_features_out_

    def _inputs(self, X: Any) -> list[Input]:
        if self.on_reject not in ("raise", "nan"):
            raise UsageError(
                f'expected on_reject "raise" or "nan", received {self.on_reject!r}: a transformer '
                "returns a row for each input"
            )
        names = np.asarray(X, dtype=object)
        if names.ndim == 2 and names.shape[1] == 1:
            names = names[:, 0]
        if names.ndim != 1 or not names.size:
            raise UsageError(
                "expected paths of shape (n,) or (n, 1) with at least one path, received shape "
                f"{names.shape}"
            )
        return [named_file(name, position) for position, name in enumerate(names)]

    def _load(self, backbone: Backbone) -> NetworkEmbedder:
        if self._embedder is None or self._embedder.fingerprint != backbone.fingerprint:
            self._embedder = NetworkEmbedder(backbone)
        return self._embedder

    def _load_again(self) -> NetworkEmbedder:
        backbone = load_backbone(self.model_, layer=self.layer, precision=self.precision)
        if backbone.fingerprint != self.fingerprint_:
            raise ModelMismatch(
                f"expected the network that this ImageEmbedder was fitted with, {self.model_} with "
                f"fingerprint {self.fingerprint_[:12]}; received a network with fingerprint "
                f"{backbone.fingerprint[:12]}. Restore the old model, or fit this estimator and "
                "the steps after it again"
            )
        return self._load(backbone)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_embedder"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags
