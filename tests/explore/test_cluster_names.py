"""What clusters are called."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.command import embedtool_here as embedtool
from support.progress import Reports
from support.tensorflow_jobs import jobs_here as jobs_here
from support.vectors import collection

import embedtool as package
from embedtool.errors import ModelOffline
from embedtool.explore.cluster_names import names_by_class, names_by_label
from embedtool.models.backbone import load_backbone
from embedtool.models.cache import cache_folder
from embedtool.models.imagenet_head import ACTIVATION_LENGTH, Head, class_names, imagenet_head
from embedtool.store.reader import IndexReader

SHOES = {"running shoe", "Loafer", "sandal", "clog", "cowboy boot"}


def test_the_classes_are_those_of_imagenet_in_its_order() -> None:
    names = class_names()
    assert len(names) == len(set(names)) == 1000
    assert (names[0], names[281], names[817], names[999]) == (
        "tench",
        "tabby",
        "sports car",
        "toilet tissue",
    )


def test_labels_name_by_majority_or_by_the_two_first() -> None:
    own = [["a"], ["a"], ["b"], ["c"], ["d"], ["c", "d"], ["e"], ["a"], ["a"]]
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 2, -1], np.int32)
    assert names_by_label(own, labels, 3) == ("a", "c and d", "a 2")
    words = ["a", "b", "b", "a", "b", "a", "b", "c", "a", "a", "b", "c"]  # half; less than half
    halves = np.repeat([0, 1, 2], 4).astype(np.int32)
    assert names_by_label([[word] for word in words], halves, 3) == ("a", "b", "a 2")
    third = np.repeat([0, 1, -1], [5, 5, 2]).astype(np.int32)
    assert names_by_label([[word] for word in words], third, 2) == ("b", "a")


def test_classes_name_by_what_is_more_frequent_here_than_elsewhere(tmp_path: Path) -> None:
    """All images look like class 5; those of the first cluster like 0 too, of the second like 281
    and 282, of the third like nothing more."""
    rows = np.zeros((60, 16), np.float32)
    rows[:, 5] = 1
    rows[:20, 0] = rows[20:40, 1] = rows[20:40, 2] = 0.9
    weights = np.zeros((1000, 16), np.float32)
    weights[[0, 281, 282, 5], [0, 1, 2, 5]] = 0.4
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = collection(tmp_path / "index", rows)
    head = Head(weights, np.zeros(1000, np.float32), "")
    logits = ACTIVATION_LENGTH * rows[0] @ weights.T
    expected = np.exp(logits) / np.exp(logits).sum()
    assert head.probabilities(rows[:1])[0] == pytest.approx(expected, rel=1e-4)
    labels = np.repeat([0, 1, 2], 20).astype(np.int32)
    with IndexReader(index) as opened:
        names = names_by_class(opened, head, labels, 3)
        alone = names_by_class(opened, head, np.zeros(60, np.int32), 1)
    assert names == ("tench", "tabby, tiger cat", "electric ray")
    assert alone == ("electric ray",), "nothing stands out of a cluster that is all there is"


def names_of(
    probabilities: Sequence[dict[int, float]], labels: Sequence[int], **options: Any
) -> tuple[str, ...]:
    """Name clusters of images with these class probabilities, which are read two at a time."""
    rows = np.zeros((len(labels), 1000), np.float32)
    for row, given in zip(rows, probabilities, strict=True):
        row[[*given]] = [*given.values()]
    blocks = [
        (np.arange(n, min(n + 2, len(rows))), rows[n : n + 2]) for n in range(0, len(rows), 2)
    ]
    index: Any = SimpleNamespace(places_after=lambda _: None, blocks_at=lambda _: blocks)
    head: Any = SimpleNamespace(probabilities=lambda block: block)
    return names_by_class(index, head, np.array(labels, np.int32), max(labels) + 1, **options)


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [(0.4, 0.202, "tabby, sports car"), (0.4, 0.198, "tabby"), (0.2, 0.4, "sports car, tabby")],
)
def test_a_second_class_is_named_if_it_stands_out_half_as_much(
    first: float, second: float, name: str
) -> None:
    """Both are twice as frequent in this cluster as in all images, so p log(p / q) is p log 2."""
    names = names_of([{281: first, 817: second}, {0: 1}], [0, 1])
    assert names == (name, "tench")


def test_no_third_class_is_named() -> None:
    assert names_of([{281: 0.35, 817: 0.33, 999: 0.32}, {0: 1}], [0, 1])[0] == "tabby, sports car"


def test_noise_counts_among_all_images_but_in_no_cluster() -> None:
    """Class 281 is as frequent in all images as in the first cluster."""
    reports = Reports()
    names = names_of(
        [{281: 1}, {281: 0.5, 817: 0.5}, {281: 0.5, 817: 0.5}, {0: 1}, {281: 1}],
        [-1, 0, 0, 1, -1],
        progress=reports,
    )
    assert names == ("sports car", "tench")
    assert reports.calls == [("naming clusters", done, 5) for done in (2, 4, 5)]


def test_a_single_cluster_is_compared_with_equally_frequent_classes() -> None:
    assert names_of([{281: 0.6, 817: 0.4}, {281: 0.8, 817: 0.2}], [0, 0]) == ("tabby",)


def test_vectors_of_another_network_are_refused(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = collection(tmp_path / "index", rows)
    done = embedtool("cluster", index, "--name-by", "imagenet")
    assert done.code == 5 and "needs vectors of mobilenet_v2" in done.err
    assert not (index / "derived").exists(), "nothing was laid out for it"


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.usefixtures("jobs_here")
def test_without_the_classifier_it_says_what_to_do(tmp_path: Path, hub_module: Path) -> None:
    del hub_module  # the network itself must be at hand
    recipe = load_backbone("mobilenet_v2").recipe
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDTOOL_CACHE_DIR", str(tmp_path / "cache"))
        patch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
        with pytest.raises(ModelOffline, match="or name clusters by label"):
            imagenet_head(recipe)


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.usefixtures("jobs_here")
def test_the_classifier_knows_shoes_and_is_read_again_where_damaged(clothing: Path) -> None:
    backbone = load_backbone("mobilenet_v2")
    shoes = sorted((clothing / "test" / "shoes").iterdir())[:30]
    vectors = package.embed_photos(shoes, model="mobilenet_v2").vectors
    head = imagenet_head(backbone.recipe)
    names = [class_names()[c] for c in head.probabilities(vectors).argmax(1)]
    assert sum(name in SHOES for name in names) >= 24
    file = cache_folder() / "heads" / "mobilenet_v2" / "head.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert np.array_equal(imagenet_head(backbone.recipe).weights, head.weights)
    assert file.read_bytes() == whole
    card = json.loads((file.parent / "head.json").read_text())
    assert card["features"] == backbone.recipe.weights
