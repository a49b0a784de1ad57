"""A search over settings as one self-contained page: its history, what mattered, every trial."""

import html
from itertools import accumulate
from pathlib import Path
from typing import Any

from embedtool.files import write_whole
from embedtool.report import charts
from embedtool.report.page import document, shown
from embedtool.types import PathLike, TuneReport, TuneTrial

WIDTH, HEIGHT, MARGIN = 560, 240, 44  # pixels of the history
BAR = 260  # pixels of an importance of 1

STYLE = (
    """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 15%, transparent) }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem }
h1 { font-size: 1.3rem; font-weight: 600; overflow-wrap: anywhere }
h2 { font-size: 1.1rem; font-weight: 600; margin: 2.5rem 0 .5rem }
p { max-width: 50rem } .wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .88rem }
td, th { text-align: right; padding: .15rem .6rem; font-variant-numeric: tabular-nums;
  white-space: nowrap }
th { font-weight: 500; opacity: .7; border-bottom: 1px solid var(--line) }
.best td { font-weight: 600 } .cut td { opacity: .6 }
"""
    + charts.STYLE
)


def write_tuning_page(report: TuneReport, path: PathLike) -> None:
    """Write a search as one self-contained HTML page."""
    with write_whole(Path(path)) as file:
        file.write(tuning_page(report).encode())


def tuning_page(report: TuneReport) -> str:
    """HTML with every drawing inside it."""
    best = next(trial for trial in report.trials if trial.number == report.best)
    cut = sum(not trial.finished for trial in report.trials)
    parts = [
        f"<p>{len(report.trials)} trials of {shown(report.model)} on {report.trained_on:,} photos, "
        f"{cut} of them cut short, judged on {report.validated_on:,} others. The best reaches "
        f"<b>{best.accuracy:.4f}</b>; its settings: <code>embedtool finetune PHOTOS --config "
        f"{shown(report.config)}</code></p>",
        "<h2>History</h2>\n<p>Validation accuracy of each trial, hollow where it was cut short; "
        "the line is the best so far.</p>",
        _history(report.trials),
    ]
    if report.importance:
        parts += [
            "<h2>What mattered</h2>\n<p>The share of what sets the better trials apart that each "
            "choice explains (PED-ANOVA). Of few trials it is a hint, no more.</p>",
            _importance(report.importance),
        ]
    parts += ["<h2>Trials</h2>", f'<div class="wide">{_table(report)}</div>']
    return document("Search over fine-tuning settings", STYLE, "\n".join(parts))


def _history(trials: tuple[TuneTrial, ...]) -> str:
    values = [trial.accuracy for trial in trials]
    best = list(accumulate((t.accuracy if t.finished else 0.0 for t in trials), max))
    low, high = min(values), max(values)
    low, high = max(0.0, low - 0.05 * (high - low) - 0.005), min(1.0, high + 0.005)

    def at(number: int, value: float) -> tuple[float, float]:
        x = MARGIN + WIDTH * (number + 0.5) / len(values)
        return x, 10 + HEIGHT * (1 - (max(value, low) - low) / (high - low))

    parts = []
    for step in range(5):
        value = low + (high - low) * step / 4
        y = at(0, value)[1]
        parts.append(f'<line class="grid" x1="{MARGIN}" x2="{MARGIN + WIDTH}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text class="faint" x="{MARGIN - 6}" y="{y + 4}" text-anchor="end">{value:.3f}</text>'
        )
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, range(len(best)), best))
    parts.append(f'<polyline class="line other" points="{line}"/>')
    for number, trial in enumerate(trials):
        x, y = at(number, trial.accuracy)
        kind = 'class="right"' if trial.finished else 'class="line"'
        parts.append(
            f'<circle {kind} cx="{x:.1f}" cy="{y:.1f}" r="4"><title>trial {trial.number}: '
            f"{trial.accuracy:.4f}</title></circle>"
        )
    return _svg(MARGIN + WIDTH + 10, HEIGHT + 20, parts, "validation accuracy by trial")


def _importance(shares: dict[str, float]) -> str:
    parts = []
    for row, (name, share) in enumerate(sorted(shares.items(), key=lambda item: -item[1])):
        y = 22 * row
        parts.append(
            f'<text x="130" y="{y + 14}" text-anchor="end">{html.escape(name)}</text>'
            f'<rect class="right" x="138" y="{y + 3}" width="{BAR * share:.1f}" height="14"/>'
            f'<text class="faint" x="{144 + BAR * share:.1f}" y="{y + 14}">{share:.2f}</text>'
        )
    return _svg(138 + BAR + 60, 22 * len(shares), parts, "importance of each choice")


def _svg(width: int, height: int, parts: list[str], name: str) -> str:
    return (
        f'<svg role="img" aria-label="{name}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{"".join(parts)}</svg>'
    )


def _table(report: TuneReport) -> str:
    names = list(dict.fromkeys(name for trial in report.trials for name in trial.chosen))
    head = "".join(f"<th>{html.escape(n)}</th>" for n in ("trial", "accuracy", "epochs", *names))
    rows = []
    for trial in sorted(report.trials, key=lambda trial: -trial.accuracy):
        kind = "best" if trial.number == report.best else "" if trial.finished else "cut"
        own = (trial.number, f"{trial.accuracy:.4f}", trial.epochs)
        cells = [*own, *(_cell(trial.chosen.get(name, "")) for name in names)]
        rows.append(
            f'<tr class="{kind}">' + "".join(f"<td>{html.escape(str(c))}</td>" for c in cells)
        )
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
