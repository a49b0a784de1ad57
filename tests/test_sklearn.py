"""`ImageEmbedder` keeps the contract of scikit-learn's transformers."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from support.doctests import run_doctest

import embedtool.sklearn
from embedtool import draw_photos, embed_photos
from embedtool.core.threads import single_threaded_blas
from embedtool.errors import ModelMismatch, TooManyRejects, UsageError
from embedtool.models.embed_photos import Input, named_file
from embedtool.models.embedder import NetworkEmbedder
from embedtool.sklearn import ImageEmbedder

AS_THEY_ARE = [  # checks of scikit-learn that fit nothing
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_estimators_unfitted",
    "check_get_feature_names_out_error",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_transformers_unfitted",
    "check_valid_tag_types",
]
OF_NUMBERS = [  # checks that fit an X of numbers, each of which stands for a picture here
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_estimators_fit_returns_self",
    "check_estimators_overwrite_params",
    "check_estimators_pickle",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_fit_score_takes_y",
    "check_inplace_ensure_writeable",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
    "check_requires_y_none",
    "check_set_output_transform",
    "check_transformer_preserve_dtypes",
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """60 pictures of 12 kinds, 5 of each."""
    folder = tmp_path_factory.mktemp("drawn")
    assert draw_photos(folder, per_kind=5, jpeg_only=True) == 60
    return sorted(folder.glob("*/*.jpg"))


@pytest.fixture(scope="module")
def vectors(photos: list[Path]) -> Any:
    return embed_photos(photos[:6], model="builtin").vectors


@pytest.fixture
def fitted(photos: list[Path]) -> ImageEmbedder:
    return ImageEmbedder(model="builtin").fit(photos)


def run_check(name: str) -> None:
    check: Callable[[str, ImageEmbedder], None] = getattr(estimator_checks, name)
    check("ImageEmbedder", ImageEmbedder(model="builtin"))


@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_check_of_scikit_learn(name: str) -> None:
    run_check(name)


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_check_of_scikit_learn_with_numbers_for_pictures(
    name: str, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def file_of_number(number: object, position: int) -> Input:
        return named_file(photos[hash(number) % len(photos)], position)

    monkeypatch.setattr(embedtool.sklearn, "named_file", file_of_number)
    run_check(name)


def test_row_i_belongs_to_path_i(photos: list[Path], vectors: Any, fitted: ImageEmbedder) -> None:
    order = [3, 0, 5, 3, 1, 2, 4, 0]
    rows = fitted.transform([photos[i] for i in order])
    assert rows.shape == (8, 1280) and rows.dtype == np.float32
    assert (rows * vectors[order]).sum(1).min() > 1 - 1e-5
    similar = rows @ vectors.T
    assert similar.argmax(1).tolist() == order, "each row is most like its own picture"
    for subset in ([2], [5, 1]):  # as check_methods_subset_invariance has it
        assert np.allclose(
            fitted.transform([photos[i] for i in subset]), vectors[subset], atol=1e-3
        )


def test_what_paths_may_come_in(photos: list[Path], vectors: Any, fitted: ImageEmbedder) -> None:
    texts = [str(path) for path in photos[:6]]
    for given in (texts, np.array(texts), np.array(texts)[:, None], [[text] for text in texts]):
        before = copy.deepcopy(given)
        assert np.allclose(fitted.transform(given), vectors, atol=1e-3)
        assert np.array_equal(given, before)


@pytest.mark.parametrize("paths", ["a.jpg", [], [["a.jpg", "b.jpg"]], np.empty((0, 1)), [1.5]])
def test_what_is_no_column_of_paths_is_refused(paths: object, fitted: ImageEmbedder) -> None:
    for method in (fitted.transform, ImageEmbedder(model="builtin").fit):
        with pytest.raises(UsageError, match=r"expected paths.*(received shape \(|input 0 is 1.5)"):
            method(paths)


def test_fit_sets_what_it_found_and_leaves_the_settings(photos: list[Path]) -> None:
    embedder = ImageEmbedder(model="builtin", precision="int8")
    settings = embedder.get_params()
    assert embedder.fit(photos) is embedder and embedder.get_params() == settings
    assert (embedder.n_features_in_, embedder.n_features_out_) == (1, 1280)
    names = embedder.get_feature_names_out()
    assert names.shape == (1280,) and names[[0, -1]].tolist() == [
        "imageembedder0",
        "imageembedder1279",
    ]
    before = dict(vars(embedder))
    embedder.transform(photos[:2])
    assert vars(embedder) == before, "as check_dict_unchanged has it"
    with pytest.raises(NotFittedError):
        clone(embedder).transform(photos)


def test_the_network_is_loaded_once_and_by_no_pickle(
    photos: list[Path], vectors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []

    class Counted(NetworkEmbedder):
        def __init__(self, *arguments: Any) -> None:
            loaded.append(arguments)
            super().__init__(*arguments)

    monkeypatch.setattr(embedtool.sklearn, "NetworkEmbedder", Counted)
    embedder = ImageEmbedder(model="builtin").fit(photos)
    for _ in range(3):
        embedder.fit_transform(photos[:2])
    assert len(loaded) == 1
    content = pickle.dumps(embedder)
    assert len(content) < 1000
    for other in (pickle.loads(content), copy.copy(embedder), copy.deepcopy(embedder)):
        count = len(loaded)
        assert set(vars(other)) == {
            "model", "layer", "precision", "on_reject",
            "model_", "fingerprint_", "n_features_in_", "n_features_out_",
        }  # fmt: skip
        assert other.get_feature_names_out().size == 1280 and len(loaded) == count
        assert np.allclose(other.transform(photos[:6]), vectors, atol=1e-3)
        other.transform(photos[:1])
        assert len(loaded) == count + 1


def test_a_pickle_where_the_model_is_another_one_is_refused(fitted: ImageEmbedder) -> None:
    moved = copy.copy(fitted)
    moved.fingerprint_ = "0" * 64
    with pytest.raises(ModelMismatch, match="expected the network that this ImageEmbedder was"):
        moved.transform(["a.jpg"])


def test_rejects(photos: list[Path], vectors: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff")
    mixed = [photos[0], broken, tmp_path, tmp_path / "*.jpg", photos[1]]
    with pytest.raises(TooManyRejects) as raised:
        ImageEmbedder(model="builtin").fit(mixed).transform(mixed)
    assert [reject.path for reject in raised.value.rejects] == mixed[1:4]
    rows = ImageEmbedder(model="builtin", on_reject="nan").fit(mixed).transform(mixed)
    assert np.isnan(rows[1:4]).all() and np.allclose(rows[[0, 4]], vectors[:2], atol=1e-3)
    for other in ("skip", "drop"):
        embedder = ImageEmbedder(model="builtin", on_reject=other)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match='expected on_reject "raise" or "nan"'):
            embedder.fit(photos)


def test_columns_and_frames_of_pandas(photos: list[Path], vectors: Any) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"photo": [str(path) for path in photos[:6]]}, index=list("abcdef"))
    embedder = ImageEmbedder(model="builtin").set_output(transform="pandas")
    for given in (frame, frame["photo"]):
        rows = embedder.fit_transform(given)
        assert list(rows.index) == list("abcdef") and rows.columns[7] == "imageembedder7"
        assert np.allclose(rows.to_numpy(), vectors, atol=1e-3)


def test_a_pipeline_is_cross_validated_far_above_chance(photos: list[Path]) -> None:
    pipeline = make_pipeline(ImageEmbedder(model="builtin"), LogisticRegression())
    kinds = [path.parent.name for path in photos]
    with single_threaded_blas():  # else 14 s on two busy cores
        accuracy = cross_val_score(pipeline, photos, kinds, cv=5)
    assert accuracy.shape == (5,) and accuracy.mean() > 0.8, "1 in 12 by chance"


def test_the_example_in_its_docstring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_doctest(ImageEmbedder)
