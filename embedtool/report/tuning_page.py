"""Write a search over settings as a self-contained page: history, importance and trials."""

from typing import Any

from embedtool.core.types import PathLike
from embedtool.finetune.tune_report import TuneReport
from embedtool.report import charts
from embedtool.report.page import render, write_page


def write_tuning_page(report: TuneReport, path: PathLike) -> None:
    """Write a search as one self-contained HTML page."""
    write_page(path, tuning_page(report))


def tuning_page(report: TuneReport) -> str:
    """Return HTML with inline charts."""
    names = list(dict.fromkeys(name for trial in report.trials for name in trial.chosen))
    rows = []
    for trial in sorted(report.trials, key=lambda trial: -trial.accuracy):
        style = "best" if trial.number == report.best else "" if trial.finished else "cut"
        chosen = [_cell(trial.chosen.get(name, "")) for name in names]
        rows.append((style, [trial.number, f"{trial.accuracy:.4f}", trial.epochs, *chosen]))
    return render(
        "tuning.html",
        title="Search over fine-tuning settings",
        report=report,
        best=next(trial for trial in report.trials if trial.number == report.best),
        cut=sum(not trial.finished for trial in report.trials),
        history=charts.history(report.trials),
        importance=charts.importance(report.importance),
        columns=["trial", "accuracy", "epochs", *names],
        rows=rows,
    )


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
