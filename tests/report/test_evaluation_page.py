"""The page of scores: values, mistakes as pictures, many classes, two widths of a browser."""

from pathlib import Path

import numpy as np
import pytest
from support.browser import Page
from support.pictures import picture, save

from embedtool.classification.metrics import evaluate
from embedtool.classification.mistakes import Mistake
from embedtool.report.evaluation_page import evaluation_page, write_evaluation_page


def test_the_page_shows_what_was_computed(tmp_path: Path) -> None:
    shot = save(tmp_path / "<b>.jpg", picture(1))
    found = evaluate([0, 0, 1], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]], ["<i>", "b"])
    epochs: list[dict[str, float | None]] = [
        {"epoch": 1, "loss": 2.0, "accuracy": 0.5, "validation_loss": None},
        {"epoch": 2, "loss": 1.0, "accuracy": 0.75, "validation_loss": 1.5},
    ]
    mistakes = [
        Mistake(shot, "<i>", "b", 0.8),
        Mistake(tmp_path / "gone.jpg", "<i>", "b", 0.7),
    ]
    page = evaluation_page(found, title="a & b", mistakes=mistakes, curves=epochs, notes=["<note>"])
    assert "<title>a &amp; b</title>" in page
    assert "&lt;note&gt;" in page and "<note>" not in page
    assert "<i>" not in page.replace("<figcaption><i>", ""), "names are text"
    assert "<b>0.667</b>" in page, "the accuracy"
    assert "&lt;i&gt; predicted as b: 1 of 2 (50%)" in page
    assert "training, epoch 2: 1.0000" in page and "validation, epoch 2: 1.5000" in page
    assert page.count("data:image/jpeg;base64,") == 1
    assert "gone.jpg: the file is gone" in page
    assert "://" not in page.replace("file://", ""), "nothing is fetched"


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1250])
def test_the_page_in_a_browser(tmp_path: Path, width: int, chromium: Page) -> None:
    names = [f"class number {i}" for i in range(12)]
    probabilities = np.random.default_rng(0).dirichlet(np.ones(12), 240)
    found = evaluate(np.arange(240) % 12, probabilities, names, resamples=50)
    mistakes = [
        Mistake(save(tmp_path / f"{i}.jpg", picture(i)), names[0], names[1], 0.9) for i in range(9)
    ]
    file = tmp_path / "page.html"
    write_evaluation_page(found, file, title="twelve", mistakes=mistakes)
    with chromium.another() as page:
        page.open(file, width=width)
        page.run("[...document.images].forEach((i) => { i.loading = 'eager' })")
        page.wait("[...document.images].filter((i) => i.naturalWidth).length === 9")
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
        assert page.errors == []
        assert all(url.startswith(("file:", "data:")) for url in page.requests)


def test_two_hundred_classes_fit_on_a_page() -> None:
    names = [f"class {i}" for i in range(200)]
    truth = np.arange(400) % 200
    probabilities = np.full((400, 200), 0.2 / 199)
    probabilities[np.arange(400), (truth + (np.arange(400) < 50)) % 200] = 0.8
    page = evaluation_page(evaluate(truth, probabilities, names, resamples=2), title="many")
    assert 'aria-label="confusion matrix" width="1030"' in page
    assert "class 0 predicted as class 1: 1 of 2 (50%)" in page
    assert len(page) < 200_000
