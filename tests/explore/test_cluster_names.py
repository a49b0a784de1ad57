"""What clusters are called."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.command import embedtool_here as embedtool
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
