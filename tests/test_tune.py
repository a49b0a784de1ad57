"""The search over settings: what it may choose, what a kill costs, what its page shows."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import picture, save

from embedtool import FinetuneSettings, TuneReport, TuneTrial, read_settings
from embedtool.errors import UsageError
from embedtool.finetune.space import starting_point, suggested
from embedtool.report.tuning_page import tuning_page

optuna = pytest.importorskip("optuna")
SEARCH = """
import sys
from embedtool.finetune import space, tuning
from embedtool.finetune.settings import FinetuneSettings
space.PARTS = space.STRENGTHS = ()  # what the base has: one part to compile, one set of rows
def tell(done, total, rejected, stage):
    if stage == "searching":
        print("done", done, flush=True)
report = tuning.tune_model(
    sys.argv[1], out=sys.argv[2], model="builtin", trials=int(sys.argv[3]), progress=tell,
    settings=FinetuneSettings(unfreeze="Conv_1", copies=1, epochs=2, validation_share=0.25),
)
print("best", report.best, [t.number for t in report.trials])
"""


def finished(folder: Path) -> dict[int, tuple[object, ...]]:
    study = optuna.load_study(study_name="finetune", storage=f"sqlite:///{folder / 'study.sqlite'}")
    return {
        t.number: (t.state.name, t.value, t.params, t.intermediate_values)
        for t in study.trials
        if t.state.name in ("COMPLETE", "PRUNED")
    }


def test_a_killed_search_loses_no_finished_trial(tmp_path: Path) -> None:
    for number, kind in enumerate(("one", "two", "three")):
        for n in range(8):
            save(tmp_path / "photos" / kind / f"{n}.jpg", picture(20 * number + n % 3 + 100 * n))
    command = [sys.executable, "-c", SEARCH, tmp_path / "photos", tmp_path / "study"]
    process = subprocess.Popen([*map(str, command), "4"], stdout=subprocess.PIPE)
    assert process.stdout
    for line in process.stdout:
        if line == b"done 2\n":
            os.kill(process.pid, signal.SIGKILL)
            break
    process.communicate()
    before = finished(tmp_path / "study")
    assert sorted(before) == [0, 1]
    done = subprocess.run([*map(str, command), "4"], capture_output=True, text=True, check=True)
    assert re.search(r"^done 2$", done.stdout, re.M) and not re.search(
        "^done 1$", done.stdout, re.M
    )
    after = finished(tmp_path / "study")
    assert len(after) == 4 and {n: after[n] for n in before} == before
    complete = {n: value for n, (state, value, *_) in after.items() if state == "COMPLETE"}
    assert max(complete.values()) >= complete[0]  # the first is the settings it was given
    assert after[0][2]["rate"] == pytest.approx(FinetuneSettings().rate)
    best = FinetuneSettings().with_changes(read_settings(tmp_path / "study" / "best.json"))
    assert best.unfreeze == "Conv_1" and best.epochs == 2
    command[2] = SEARCH.replace("epochs=2", "epochs=3")
    other = subprocess.run([*map(str, command), "4"], capture_output=True, text=True, check=False)
    assert other.returncode and "other photos, another network or other settings" in other.stderr


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_the_search_begins_where_the_settings_are(optimiser: str) -> None:
    base = FinetuneSettings(optimiser=optimiser, unfreeze="block_11", batch_size=48, rate=0.003)
    trial = optuna.trial.FixedTrial(starting_point(base))
    assert base.with_changes(suggested(trial, base)) == base


def test_augmentation_is_scaled_within_its_limits() -> None:
    base = FinetuneSettings().with_changes({"rotation": 170.0})
    point = starting_point(base)
    weak = suggested(optuna.trial.FixedTrial(point | {"augmentation": 0.0}), base)
    assert base.with_changes(weak).augmentation.changes_nothing
    strong = base.with_changes(
        suggested(optuna.trial.FixedTrial(point | {"augmentation": 1.5}), base)
    ).augmentation
    assert (strong.rotation, strong.zoom, strong.flip) == (180.0, pytest.approx(0.225), True)


def test_what_a_search_refuses(tmp_path: Path) -> None:
    from embedtool import tune_model

    for settings in (
        FinetuneSettings(patience=2),
        FinetuneSettings(from_scratch=True, unfreeze="all"),
    ):
        with pytest.raises(UsageError, match="leave them out"):
            tune_model(tmp_path, out=tmp_path / "study", model="builtin", settings=settings)


def test_the_page_shows_history_importance_and_every_trial(tmp_path: Path) -> None:
    trials = tuple(
        TuneTrial(n, n != 2, 0.8 + n / 100, 3, 1.5, {"rate": 10.0**-n, "unfreeze": "block_13"})
        for n in range(4)
    )
    report = TuneReport(
        tmp_path, tmp_path / "best.json", "builtin", 30, 10, trials, 3, {"rate": 0.75}, 0, 9.0
    )
    page = tuning_page(report)
    assert page.count("<circle") == 4 and page.count("<polyline") == 1
    assert "0.75" in page and "0.8300" in page and "1 of them cut short" in page
    assert page.count("<tr") == 5 and '<tr class="best"><td>3</td>' in page
    assert "http" not in page
    json.dumps(page)
