"""How good predictions are, as one self-contained page."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from embedtool.classification.metrics import Estimate, Evaluation
from embedtool.classification.mistakes import Mistake
from embedtool.core.atomic_files import atomic_write
from embedtool.core.types import PathLike
from embedtool.errors import ImageRejected
from embedtool.report import charts
from embedtool.report.page import document, link, picture, shown

THUMBNAIL = 200  # pixels on the longer side
SHOWN = 30  # mistakes as pictures
CONFUSIONS = 15  # most frequent ones, listed
STYLE = (
    """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 15%, transparent) }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem }
h1 { font-size: 1.3rem; font-weight: 600; overflow-wrap: anywhere }
h2 { font-size: 1.1rem; font-weight: 600; margin: 2.5rem 0 .5rem }
p { max-width: 50rem; margin: .2rem 0 1rem } .note, h2 + p { opacity: .75 }
.scores { display: grid; gap: .8rem;
  grid-template-columns: repeat(auto-fill, minmax(min(15.5rem, 45%), 1fr));
  margin: 1.25rem 0 }
.scores > div { border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem }
.scores b { display: block; font-size: 1.7rem; font-weight: 600; line-height: 1.2 }
.scores small { opacity: .7 }
.side { display: flex; flex-wrap: wrap; gap: 2.5rem; align-items: flex-start }
.side section { flex: 1 1 min(24rem, 100%); min-width: 0 } .wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .88rem }
td, th { text-align: right; padding: .15rem .6rem; font-variant-numeric: tabular-nums }
th { font-weight: 500; opacity: .7; border-bottom: 1px solid var(--line) }
td:first-child, th:first-child, td.text, th.text { text-align: left; font-variant-numeric: normal }
.classes { max-height: 44rem; overflow: auto } .classes td { white-space: nowrap }
.classes td:first-child { max-width: 14rem; overflow: hidden; text-overflow: ellipsis }
.bar { width: 12rem; padding-right: 0 }
.bar span { display: block; height: .7rem; border-radius: .15rem; background: var(--right) }
.pictures { display: grid; gap: 1.1rem .9rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)) }
figure { margin: 0; min-width: 0 }
img, .none { width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: .3rem;
  background: color-mix(in srgb, currentColor 6%, transparent); display: block;
  box-sizing: border-box }
.none { border: 1px dashed var(--line); display: grid; place-content: center; opacity: .6 }
figcaption { font-size: .8rem; overflow-wrap: anywhere; margin-top: .3rem }
figcaption i { font-style: normal; color: var(--wrong) }
figcaption span { opacity: .65; display: block; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis }
"""
    + charts.STYLE
)
TOLD = {  # headline -> what it is called, and means
    "accuracy": ("accuracy", "images given their own class"),
    "balanced_accuracy": ("balanced accuracy", "mean recall of the classes that occur"),
    "macro_f1": ("macro F1", "mean over classes"),
    "macro_precision": ("macro precision", "mean over classes"),
    "macro_recall": ("macro recall", "mean over classes"),
    "top5_accuracy": ("top-5 accuracy", "own class among the five likeliest"),
    "ece": ("calibration error", "mean gap of confidence and accuracy; 0 is best"),
}


def write_evaluation_page(
    evaluation: Evaluation,
    path: PathLike,
    *,
    title: str,
    mistakes: Sequence[Mistake] = (),
    curves: Sequence[Mapping[str, Any]] = (),
    notes: Sequence[str] = (),
) -> None:
    """Write scores as one self-contained HTML page: headlines with their intervals, the confusion
    matrix, each class, calibration, the most confident mistakes as pictures.

    mistakes: the most confident first. curves: a mapping an epoch, with "epoch", and "loss" and
    "accuracy" of training, "validation_loss" and "validation_accuracy", each a number or None.
    """
    with atomic_write(Path(path)) as file:
        page = evaluation_page(
            evaluation, title=title, mistakes=mistakes, curves=curves, notes=notes
        )
        file.write(page.encode("utf-8", "replace"))


def evaluation_page(
    evaluation: Evaluation,
    *,
    title: str,
    mistakes: Sequence[Mistake] = (),
    curves: Sequence[Mapping[str, Any]] = (),
    notes: Sequence[str] = (),
) -> str:
    """HTML with every drawing and thumbnail inside it."""
    parts = [
        f'<p class="note">{evaluation.n:,} images of {len(evaluation.classes)} classes. '
        f"Intervals: 95 %, of {evaluation.resamples:,} resamples of the images.</p>",
        *(f'<p class="note">{shown(note)}</p>' for note in notes),
        '<div class="scores">',
        *(_score(name, score) for name, score in evaluation.headlines().items()),
        "</div>",
        "<h2>Confusion</h2>\n<p>Rows are true classes, columns predicted ones; the stronger a "
        "cell, the larger its share of the row. Point at it for its count.</p>",
        f'<div class="side"><div class="wide">'
        f"{charts.confusion_matrix(evaluation.confusion, evaluation.classes)}</div>"
        f"{_confusions(evaluation)}</div>",
        '<div class="side"><section>',
        "<h2>Classes</h2>\n<p>By F1, the worst first.</p>",
        _classes(evaluation),
        "</section><section>",
        "<h2>Calibration</h2>\n<p>Of the images with a given confidence, how many are right. On "
        "the dashed line a confidence can be believed; below it, it promises too much.</p>",
        charts.reliability(evaluation.reliability),
        "</section></div>",
    ]
    if curves:
        parts += ["<h2>Learning</h2>", f'<div class="side">{_curves(curves)}</div>']
    if mistakes:
        wrong = sum(map(sum, evaluation.confusion)) - sum(
            row[i] for i, row in enumerate(evaluation.confusion)
        )
        some = f"the {SHOWN} most confident of {wrong:,}" if wrong > SHOWN else "all"
        parts += [
            f"<h2>Mistakes</h2>\n<p>{some[0].upper()}{some[1:]}, the most confident first: the "
            "class it was given, and its own. Some may be mistakes of the labels.</p>",
            '<div class="pictures">',
            *map(_figure, mistakes[:SHOWN]),
            "</div>",
        ]
    return document(shown(title), STYLE, "\n".join(parts))


def _score(name: str, score: Estimate) -> str:
    called, meaning = TOLD[name]
    return (
        f"<div>{called}<b>{score.value:.3f}</b><small>{score.low:.3f} to {score.high:.3f}</small>"
        f"{charts.interval(score)}<small>{meaning}</small></div>"
    )


def _confusions(evaluation: Evaluation) -> str:
    """The pairs most often confused."""
    pairs = [
        (count, count / sum(row), evaluation.classes[i], evaluation.classes[j])
        for i, row in enumerate(evaluation.confusion)
        for j, count in enumerate(row)
        if count and i != j
    ]
    pairs.sort(key=lambda pair: (-pair[0], -pair[1], pair[2:]))
    rows = "\n".join(
        f'<tr><td>{shown(true)}</td><td class="text">{shown(given)}</td><td>{count}</td>'
        f"<td>{share:.0%}</td></tr>"
        for count, share, true, given in pairs[:CONFUSIONS]
    )
    head = '<th>true</th><th class="text">predicted</th><th>images</th><th>of its class</th>'
    return f"<table><tr>{head}</tr>\n{rows}</table>" if pairs else "<p>None confused.</p>"


def _classes(evaluation: Evaluation) -> str:
    rows = "\n".join(
        f'<tr><td>{shown(one.name)}</td><td class="bar"><span style="width:{one.f1:.1%}"></span>'
        f"</td><td>{one.f1:.3f}</td><td>{one.precision:.3f}</td><td>{one.recall:.3f}</td>"
        f"<td>{one.support:,}</td></tr>"
        for one in sorted(evaluation.per_class, key=lambda one: (one.f1, one.name))
    )
    head = "<th>class</th><th></th><th>F1</th><th>precision</th><th>recall</th><th>images</th>"
    return f'<div class="classes"><table><tr>{head}</tr>\n{rows}</table></div>'


def _curves(history: Sequence[Mapping[str, Any]]) -> str:
    epochs = [int(one["epoch"]) for one in history]
    drawn = []
    for name in ("accuracy", "loss"):
        lines = {
            label: [one.get(key) for one in history]
            for label, key in (("training", name), ("validation", f"validation_{name}"))
        }
        lines = {k: v for k, v in lines.items() if any(value is not None for value in v)}
        most = max((v for values in lines.values() for v in values if v is not None), default=0)
        if lines:
            drawn.append(charts.curves(epochs, lines, name, 1 if name == "accuracy" else most or 1))
    return "\n".join(f"<div>{chart}</div>" for chart in drawn)


def _figure(one: Mistake) -> str:
    try:
        address = picture(one.path.read_bytes(), THUMBNAIL)
        image = f'<img alt="{shown(one.path.name)}" loading="lazy" src="{address}">'
    except (OSError, ImageRejected) as error:
        image = f'<div class="none">{html.escape(type(error).__name__)}</div>'
    return (
        f'<figure title="{shown(one.path)}"><a href="{link(one.path)}">{image}</a>'
        f"<figcaption><i>{shown(one.predicted)}</i> {one.probability:.3f}<br>is {shown(one.truth)}"
        f"<span>{shown(one.path.name)}</span></figcaption></figure>"
    )
