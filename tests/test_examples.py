"""Every example runs and gives known results; the short ones are short."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.shared import copy_first_photos
from threadpoolctl import threadpool_limits

from embedtool import embed_photos, index_photos, model_info

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SHORT = ["embed_to_numpy.py", "index_and_search.py", "layers.py", "precision.py"]


def run(name: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", SHORT)
def test_examples_are_short(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) <= 30


def test_index_and_search(drawn: Path, tmp_path: Path) -> None:
    out = run("index_and_search.py", drawn, tmp_path / "index", drawn / "city" / "city-01.jpg")
    assert re.match(r"37 images.*\n1\.000 .*city-01\.jpg\n0\.\d{3} .*city", out)


def test_embed_to_numpy(drawn: Path, tmp_path: Path) -> None:
    run("embed_to_numpy.py", drawn, tmp_path / "vectors.npy")
    vectors = np.load(tmp_path / "vectors.npy")
    assert vectors.shape == (37, 1280)
    assert np.allclose((vectors**2).sum(1), 1, atol=1e-5)
    assert len((tmp_path / "vectors.txt").read_text().splitlines()) == 37


def test_precision_on_drawn_pictures(drawn: Path, tmp_path: Path) -> None:
    run("index_and_search.py", drawn, tmp_path / "index", drawn / "city" / "city-01.jpg")
    out = run("precision.py", tmp_path / "index", drawn / "city")
    assert 0.2 <= float(out.split()[-1]) <= 0.3  # 3 of its 10 nearest can be of its kind


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs")  # of TensorFlow
def test_layers(
    drawn: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, where each layer is compiled without loading TensorFlow again."""
    import embedtool.models.keras_runtime  # noqa: F401

    script = EXAMPLES / "layers.py"
    monkeypatch.setattr(sys, "argv", [str(script), str(drawn / "city"), str(drawn / "fish")])
    runpy.run_path(str(script))
    assert len(capsys.readouterr().out.splitlines()) == 3


EAGERLY = """
import runpy, sys
import tensorflow as tf
tf.config.run_functions_eagerly(True)  # a step costs less than compiling it
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def distil(drawn: Path, out: Path) -> list[str]:
    return [
        sys.executable, "-c", EAGERLY, str(EXAMPLES / "train_builtin.py"), "train", str(drawn),
        "--out", str(out), "--alpha", "0.35", "--size", "32", "--epochs", "2", "--batch", "16",
        "--limit", "16",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.shared
def test_distilling_resumes_where_it_was_killed(
    hub_module: Path, drawn: Path, tmp_path: Path
) -> None:
    """Killed after its first epoch, the recipe ends with the weights of a run that was not."""
    from safetensors.numpy import load_file

    subprocess.run(distil(drawn, tmp_path / "whole"), check=True, capture_output=True)
    killed = subprocess.Popen(
        distil(drawn, tmp_path / "killed"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert killed.stdout
    for line in killed.stdout:
        if line.startswith(b"epoch 1 of 2"):
            killed.kill()
            break
    killed.communicate()
    assert not (tmp_path / "killed").exists()
    done = subprocess.run(distil(drawn, tmp_path / "killed"), check=True, capture_output=True)
    assert b"epoch 1 of 2" not in done.stdout and b"epoch 2 of 2" in done.stdout
    whole, resumed = (
        load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "killed")
    )
    assert whole.keys() == resumed.keys()
    for name, values in whole.items():
        assert np.array_equal(values, resumed[name]), name
    assert embed_photos(drawn, model=str(tmp_path / "killed")).vectors.shape == (37, 1280)


@pytest.mark.slow
@pytest.mark.shared
def test_the_recipe_measures_what_a_search_finds(
    clothing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On 9 photos of each class: the precision of the other example, and a probe that learned. An
    index of fewer than 100 images measures similarity by the plain cosine, as the recipe does."""
    train = copy_first_photos(clothing / "train", tmp_path / "train", 9)
    test = copy_first_photos(clothing / "test", tmp_path / "test", 5)
    recipe = runpy.run_path(str(EXAMPLES / "train_builtin.py"))
    with threadpool_limits(1):  # more threads take longer for so few rows
        recipe["evaluate"](["builtin"], train, [test])
    measured = json.loads(capsys.readouterr().out)
    index = index_photos(train, index=tmp_path / "index", model="builtin").index
    precision = float(run("precision.py", index, test).split()[-1])
    assert measured["precision_at_10"] == pytest.approx(precision, abs=0.002)
    assert 0.15 < precision < measured["linear_probe_accuracy"]


@pytest.mark.long
@pytest.mark.shared
def test_the_cards_figures_come_out_of_the_recipe(clothing: Path) -> None:
    card = model_info("builtin")["card"]["measured"]["clothing"]["builtin int8"]
    got = run(
        "train_builtin.py", "evaluate", "builtin", "--train", clothing / "train",
        "--test", clothing / "validation", "--test", clothing / "test",
    )  # fmt: skip
    measured = json.loads(got)
    assert measured["linear_probe_accuracy"] == pytest.approx(
        card["linear_probe_accuracy"], abs=0.01
    )
    assert measured["precision_at_10"] == pytest.approx(card["precision_at_10"], abs=0.005)


@pytest.mark.long
@pytest.mark.shared
def test_precision_of_the_full_network_on_the_clothing_photos(
    clothing: Path, tmp_path: Path
) -> None:
    report = index_photos(clothing / "train", index=tmp_path / "clothing", model="mobilenet_v2")
    assert report.added + report.duplicates == report.total == 3068
    out = run("precision.py", report.index, clothing / "test", clothing / "validation")
    assert float(out.split()[-1]) >= 0.70
