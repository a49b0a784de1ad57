"""The search over settings: what it may choose, what a kill costs, what its page shows."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from support.command import embedtool_here as embedtool
from support.pictures import picture, save

from embedtool import FinetuneSettings, tune_model
from embedtool.core.lock import acquire_lock
from embedtool.errors import IndexLocked, UsageError
from embedtool.finetune import search_space, tune
from embedtool.finetune.checkpoint import Epoch
from embedtool.finetune.examples import RunExamples
from embedtool.finetune.search_space import starting_point, suggest_changes
from embedtool.finetune.settings import read_settings
from embedtool.finetune.tune_report import TuneReport

SETTINGS = FinetuneSettings(
    unfreeze="block_16", head_epochs=0, epochs=2, copies=1, validation_share=0.25
)
KILLED = """
import json, os, signal, sys
from embedtool.finetune import search_space, tune
from embedtool.finetune.settings import FinetuneSettings
SETTINGS = FinetuneSettings().with_changes(json.loads(sys.argv[3]))
search_space.UNFREEZE = search_space.AUGMENTATION_STRENGTHS = ()
whole = tune.train

def train(*args, after_epoch, **kwargs):
    def kill_second(epoch):
        after_epoch(epoch)
        if kill_second.trial == 1 and epoch.epoch == 1:
            os.kill(os.getpid(), signal.SIGKILL)
    kill_second.trial = train.trials
    train.trials += 1
    return whole(*args, after_epoch=kill_second, **kwargs)

train.trials = 0
tune.train = train
tune.tune_model(sys.argv[1], out=sys.argv[2], model="builtin", trials=2, settings=SETTINGS)
"""


def trials(folder: Path) -> list[optuna.trial.FrozenTrial]:
    storage = f"sqlite:///{folder / 'study.sqlite'}"
    return list(optuna.load_study(study_name="finetune", storage=storage).trials)


def outcome_of(trial: optuna.trial.FrozenTrial) -> tuple[object, ...]:
    return trial.state.name, trial.value, trial.params, trial.intermediate_values


@pytest.mark.slow
def test_a_search_killed_within_a_trial_loses_no_finished_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = tmp_path / "photos"
    for number, kind in enumerate(("one", "two", "three")):
        for n in range(8):
            save(photos / kind / f"{n}.jpg", picture(20 * number + n % 3 + 100 * n))
    done = subprocess.run(
        [sys.executable, "-c", KILLED, photos, tmp_path / "study", json.dumps(SETTINGS.record())],
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    first, cut = trials(tmp_path / "study")
    assert (first.state.name, cut.state.name) == ("COMPLETE", "RUNNING")
    assert first.params["rate"] == pytest.approx(SETTINGS.learning_rate)  # the settings as given
    monkeypatch.setattr(search_space, "UNFREEZE", ())  # those of the base: one part to compile,
    monkeypatch.setattr(search_space, "AUGMENTATION_STRENGTHS", ())  # and one set of rows
    report = tune_model(
        tmp_path / "photos", out=tmp_path / "study", model="builtin", trials=2, settings=SETTINGS
    )
    after = trials(tmp_path / "study")
    assert outcome_of(after[0]) == outcome_of(first)
    assert [t.state.is_finished() for t in after] == [True] * 3
    assert after[1].state.name == "FAIL" and after[2].params == cut.params  # tried again
    assert [t.number for t in report.trials] == [0, 2]
    complete = [t.accuracy for t in report.trials if t.finished]
    assert max(complete) == next(t.accuracy for t in report.trials if t.number == report.best)
    best = FinetuneSettings().with_changes(read_settings(report.config))
    assert best == SETTINGS.with_changes(after[report.best].user_attrs["settings"])
    assert report.trials[0].chosen["learning_rate"] == first.params["rate"]
    assert (best.unfreeze, best.epochs) == ("block_16", 2)
    with pytest.raises(UsageError, match="other photos, another network or other settings"):
        tune_model(
            tmp_path / "photos", out=tmp_path / "study", model="builtin", trials=2,
            settings=replace(SETTINGS, epochs=3),
        )  # fmt: skip


class Study:
    """A search whose trials take no time: `reached` holds what each epoch of each reaches."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.photos, self.out = folder / "photos", folder / "study"
        for number, kind in enumerate(("one", "two")):
            for n in range(8):
                save(self.photos / kind / f"{n}.jpg", picture(20 * number + n % 3 + 100 * n))
        (self.photos / "one" / "cut off.jpg").write_bytes(b"\xff\xd8\xff no more")
        self.reached: list[list[float] | BaseException] = []
        self.tried: list[FinetuneSettings] = []
        monkeypatch.setattr(search_space, "UNFREEZE", ())  # each would be compiled
        monkeypatch.setattr(tune, "train", self._train)
        monkeypatch.setattr(tune, "load_examples", self._load_examples)
        monkeypatch.setattr(
            tune, "TrainedPart", lambda *_: SimpleNamespace(start_head=lambda _: None)
        )

    def _load_examples(self, *_: object, **__: object) -> RunExamples:
        return RunExamples(None, None, copies=1, notes=("fewer copies than set",))  # type: ignore[arg-type]

    def _train(
        self,
        trained_part: object,
        settings: FinetuneSettings,
        *_: object,
        after_epoch: Callable[[Epoch], None],
        **__: object,
    ) -> list[Epoch]:
        self.tried.append(settings)
        reached = self.reached.pop(0)
        if isinstance(reached, BaseException):
            raise reached
        history = []
        for number, accuracy in enumerate(reached, 1):
            history.append(Epoch("layers", number, 1.0, 1.0, 1.0, accuracy, 0.0))
            after_epoch(history[-1])
        return history

    def go_on(self, trials: int) -> TuneReport:
        return tune_model(
            self.photos, out=self.out, model="builtin", trials=trials, settings=SETTINGS
        )


@pytest.mark.slow
def test_what_stops_a_trial_does_not_lose_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    study = Study(tmp_path, monkeypatch)
    for error in (KeyboardInterrupt(), UsageError("no space")):
        study.reached = [error]
        with pytest.raises(type(error)):
            study.go_on(1)
    study.reached = [[0.5, 0.75], [0.5, 0.5]]
    report = study.go_on(2)
    assert study.tried[:3] == [SETTINGS] * 3 and study.tried[3] != SETTINGS
    assert [(t.accuracy, t.finished) for t in report.trials] == [(0.75, True), (0.5, True)]
    assert report.best == report.trials[0].number
    assert "Traceback" not in capfd.readouterr().err
    assert report.notes == ("fewer copies than set",)
    assert read_settings(report.config)["copies"] == 1  # what it had, not what was asked for
    assert [(r.path.name, r.stage) for r in report.rejects] == [("cut off.jpg", "decode")]


@pytest.mark.slow
def test_a_trial_that_falls_behind_is_cut_short_once_layers_were_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("test_tune.SETTINGS", replace(SETTINGS, head_epochs=1))
    study = Study(tmp_path, monkeypatch)
    study.reached = [*[[0.5, 0.75, 0.75]] * 3, [0.25, 0.8, 0.9], [0.5, 0.5, 0.9]]
    report = study.go_on(5)
    assert [(t.epochs, t.finished) for t in report.trials] == [(3, True)] * 4 + [(2, False)]
    assert report.trials[report.best].accuracy == 0.9
    assert report.importance and sum(report.importance.values()) == pytest.approx(1)


def test_one_search_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study(tmp_path, monkeypatch)
    study.out.mkdir()
    lock = acquire_lock(study.out)
    with pytest.raises(IndexLocked, match="another embedtool"):
        study.go_on(1)
    os.close(lock)


def changes_at(point: dict[str, Any], base: FinetuneSettings) -> dict[str, Any]:
    """What a trial of this point changes of the base settings."""
    return suggest_changes(optuna.trial.FixedTrial(point), base)  # type: ignore[arg-type]


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_the_search_begins_where_the_settings_are(optimiser: str) -> None:
    base = FinetuneSettings(
        optimiser=optimiser, unfreeze="block_11", batch_size=48, learning_rate=0.003
    )
    assert base.with_changes(changes_at(starting_point(base), base)) == base
    wide = starting_point(base) | {"head_width": 128}
    assert changes_at(wide, base)["head_epochs"] == 1  # it begins at random, not as a probe


def test_augmentation_is_scaled_within_its_limits() -> None:
    base = FinetuneSettings().with_changes({"rotation": 170.0})
    point = starting_point(base)
    weak = changes_at(point | {"augmentation": 0.0}, base)
    assert base.with_changes(weak).augmentation.changes_nothing
    strong = base.with_changes(changes_at(point | {"augmentation": 1.5}, base)).augmentation
    assert (strong.rotation, strong.flip) == (180.0, True)
    assert strong.zoom == pytest.approx(0.225)


def test_what_a_search_refuses(tmp_path: Path) -> None:
    for settings in (
        FinetuneSettings(patience=2),
        FinetuneSettings(from_scratch=True, unfreeze="all"),
        FinetuneSettings(epochs=0),
        FinetuneSettings(weight_decay=0.0),
    ):
        with pytest.raises(UsageError, match=r"leave them out|above 0"):
            tune_model(tmp_path, out=tmp_path / "study", model="builtin", settings=settings)
    done = embedtool("tune", tmp_path, "--out", tmp_path / "study", "--html", tmp_path)
    assert (done.code, "this is a folder" in done.err) == (1, True)
    assert not (tmp_path / "study").exists()
    with pytest.raises(UsageError, match=r"contains mine\.txt: choose another --out"):
        (tmp_path / "mine.txt").touch()
        tune_model(tmp_path, out=tmp_path, model="builtin")
