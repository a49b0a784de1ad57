"""The page of a search over settings: history, importance, every trial."""

from pathlib import Path

from embedtool.finetune.tune_report import TuneReport, TuneTrial
from embedtool.report.tuning_page import tuning_page


def made_report(folder: Path, importance: dict[str, float]) -> TuneReport:
    trials = tuple(
        TuneTrial(
            n, n != 2, 0.8 + n / 100, 3, 1.5, {"learning_rate": 10.0**-n, "unfreeze": "block_13"}
        )
        for n in range(4)
    )
    return TuneReport(
        folder, folder / "best.json", "builtin", 30, 10, trials, 3, importance, 0, 9.0
    )


def test_too_few_trials_for_importance_show_no_chart_of_it(tmp_path: Path) -> None:
    assert "<h2>Importance</h2>" in tuning_page(made_report(tmp_path, {"learning_rate": 0.75}))
    assert "<h2>Importance</h2>" not in tuning_page(made_report(tmp_path, {}))


def test_the_page_shows_history_importance_and_every_trial(tmp_path: Path) -> None:
    page = tuning_page(made_report(tmp_path, {"learning_rate": 0.75}))
    assert page.count("<circle") == 4 and page.count("<polyline") == 1
    assert "0.75" in page and "0.8300" in page and "1 of them pruned" in page
    assert page.count("<tr") == 5 and '<tr class="best"><td>3</td>' in page
    assert "://" not in page
