"""A search over settings as one self-contained page: its history, what mattered, every trial."""

import html
import math
from itertools import accumulate
from pathlib import Path
from typing import Any

from embedtool.core.atomic_files import atomic_write
from embedtool.core.types import PathLike
from embedtool.finetune.tune_report import TuneReport, TuneTrial
from embedtool.report import charts
from embedtool.report.page import document, shown

LEFT, TOP, WIDTH, HEIGHT = 44, 10, 560, 240  # pixels of the history
STEPS = (0.01, 0.02, 0.05, 0.1, 0.25)  # from line to line of it
NUMBERED = 20  # trials that stand under it by number; of more, every other
BAR = 260  # pixels of an importance of 1
STYLE = (
    """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 15%, transparent) }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem }
h1 { font-size: 1.3rem; font-weight: 600; overflow-wrap: anywhere }
h2 { font-size: 1.1rem; font-weight: 600; margin: 2.5rem 0 .5rem }
p { max-width: 50rem } .wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .82rem }
td, th { text-align: right; padding: .15rem .45rem; font-variant-numeric: tabular-nums;
  white-space: nowrap }
th { font-weight: 500; opacity: .7; border-bottom: 1px solid var(--line) }
.best td { font-weight: 600 } .cut td { opacity: .6 }
"""
    + charts.STYLE
)


def write_tuning_page(report: TuneReport, path: PathLike) -> None:
    """Write a search as one self-contained HTML page."""
    with atomic_write(Path(path)) as file:
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
    best = list(accumulate((t.accuracy if t.finished else 0.0 for t in trials), max))
    low, high = _range([trial.accuracy for trial in trials])

    def at(number: int, value: float) -> tuple[float, float]:
        x = LEFT + WIDTH * (number + 0.5) / len(trials)
        return x, TOP + HEIGHT * (high - max(value, low)) / (high - low)

    parts = charts.grid(LEFT, TOP, WIDTH, HEIGHT, high, least=low)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, range(len(best)), best))
    parts.append(f'<polyline class="line other" points="{line}"/>')
    every = -(-len(trials) // NUMBERED)
    for number, trial in enumerate(trials):
        x, y = at(number, trial.accuracy)
        kind = 'class="right"' if trial.finished else 'class="line"'
        parts.append(
            f'<circle {kind} cx="{x:.1f}" cy="{y:.1f}" r="4"><title>trial {trial.number}: '
            f"{trial.accuracy:.4f}</title></circle>"
        )
        if number % every == 0:
            parts.append(
                f'<text class="faint" x="{x:.1f}" y="{TOP + HEIGHT + 16}" text-anchor="middle">'
                f"{trial.number}</text>"
            )
    return charts.svg(LEFT + WIDTH + 10, TOP + HEIGHT + 24, parts, "validation accuracy by trial")


def _range(values: list[float]) -> tuple[float, float]:
    """What four round steps cover, and the values lie in."""
    for step in STEPS:
        low = min(math.floor(min(values) / step) * step, 1 - 4 * step)
        if low + 4 * step >= max(values):
            break
    return low, low + 4 * step


def _importance(shares: dict[str, float]) -> str:
    parts = []
    for row, (name, share) in enumerate(sorted(shares.items(), key=lambda item: -item[1])):
        y = 22 * row
        parts.append(
            f'<text x="130" y="{y + 14}" text-anchor="end">{html.escape(name)}</text>'
            f'<rect class="right" x="138" y="{y + 3}" width="{BAR * share:.1f}" height="14"/>'
            f'<text class="faint" x="{144 + BAR * share:.1f}" y="{y + 14}">{share:.2f}</text>'
        )
    return charts.svg(138 + BAR + 60, 22 * len(shares), parts, "importance of each choice")


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
