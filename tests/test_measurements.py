"""The page of measurements: its commands exist, and each figure stands where it belongs."""

import json
import re
import runpy
import shlex
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from embedtool.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "examples" / "measurements.py"
SECTIONS = tomllib.loads(SCRIPT.with_suffix(".toml").read_text())
Captured = pytest.CaptureFixture[str]
LINES = [command for commands in SECTIONS.values() for command in commands.values()]


def options_of(line: str) -> dict[str, Any]:
    """Parse a command line of embedtool as a run does, and return the values of its options."""
    _, name, *arguments = shlex.split(line)
    command = getattr(import_module(f"embedtool.cli.{COMMANDS[name][0]}"), name)
    if isinstance(command, typer.Typer):
        parsed = typer.main.get_command(command).commands[arguments.pop(0)]  # type: ignore[attr-defined]
    else:
        app = typer.Typer()
        app.command()(command)
        parsed = typer.main.get_command(app)
    values: dict[str, Any] = parsed.make_context(name, arguments).params
    return values


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("embedtool ")])
def test_the_commands_parse(line: str) -> None:
    values = options_of(line)
    assert values["json"] == line.endswith(" --json")
    if "--vectors" in line:
        assert values["vectors"] == int(line.split()[line.split().index("--vectors") + 1])


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("python ")])
def test_the_scripts_have_the_options(line: str) -> None:
    text = (ROOT / line.split()[1]).read_text()
    for option in re.findall(r"--([a-z-]+)", line):
        assert re.search(rf'"--{option}"|^    {option}: Annotated', text, re.M), option


def scores(name: str, value: float) -> dict[str, Any]:
    return {name: value, f"{name}_ci95": [value - 0.01, value + 0.01]}


def speed(model: str, precision: str, first: int) -> dict[str, Any]:
    per_second = ("decode", "inference", "bound", "end_to_end")
    return {
        "model": model,
        "precision": precision,
        **{f"{name}_images_per_second": first + n + 0.4 for n, name in enumerate(per_second)},
        "share_of_bound": 0.923,
        "speedup_over_keras": first / 100,
    }


def searched(method: str, p50: float, recall: float) -> dict[str, Any]:
    return {
        "method": method,
        "p50_ms": p50,
        "speedup_p50": 361.04,
        "speedup_batch": 16.94,
        "recall": {"1": recall, "10": recall - 0.1, "100": recall - 0.2},
        "resident_mb": 24.4,
    }


def search(vectors: int, synthetic: int) -> dict[str, Any]:
    return {
        "vectors": vectors,
        "synthetic": synthetic,
        "build_seconds": 25.2,
        "certificate": {"memory_bytes": 46_000_000},
        "rows": [searched("exact", 259, 1), searched("HNSW24_SQ8", 0.687, 0.9921)],
    }


def others(vectors: int) -> str:
    """Two lines of JSON, of a graph and of lists."""
    row = {"method": "graph", "vectors": vectors, "promised": 0.991, "p50_ms": 1.144}
    row |= {"by_query": {"held_out": 0.9996, "blended": 0.994}, "exact_p50_ms": 259.3}
    row |= {"measured": {"clothing": 0.9981, "catdog": 0.9999}}
    return f"{json.dumps(row)}\n{json.dumps(row | {'method': 'lists'})}\n"


def chosen(collection: str, shots: int) -> str:
    row = {"collection": collection, "shots": shots, "contained": 0.94, "stated": 0.6284}
    return json.dumps(
        row
        | {
            "extrapolated": 0.6513,
            "found": 0.6706,
            "width": 0.1144,
            "binomial_width": 0.1,
            "ece": 0.0331,
        }
    )


def ranked(name: str, first: float) -> str:
    kinds = ("cosine", "less the mean", "less the mean of 100")
    scores = {
        kind: {"map": first + n / 10, "precision_at_10": 0.7491 + n / 100}
        for n, kind in enumerate(kinds)
    }
    return json.dumps({"name": name, "images": 3068, "classes": 10, "scores": scores})


def trained(accuracy: float) -> dict[str, Any]:
    return {
        "score": scores("accuracy", accuracy),
        "leaky_score": scores("accuracy", accuracy + 0.1),
        "knn_score": scores("accuracy", accuracy - 0.1),
    }


def tuned(accuracy: float) -> dict[str, Any]:
    return {**scores("accuracy", accuracy), "probe": {"accuracy": 0.886}, **scores("gain", 0.045)}


DUPLICATES = """copies                                      found  near-identical, of 20
JPEG quality 40                             1.000  1.000
turned 5 degrees                            {share}  0.000  (beyond a re-encoding)
re-encoded, resized, lightly cropped: 0.9933 of 300
re-encoded or resized, near-identical: 1.0000 of 220
changed, near-identical: 0.0000 of 300
precision: 0.9960 of 500 pairs
two originals: a.jpg b.jpg
"""
OUTPUTS: dict[str, dict[str, Any]] = {
    "data": {"copies": "90 photos, 540 copies in data/copies\n", "index": {"total": 110614}},
    "speed": {
        "bench": {
            "rounds": 3,
            "images": 60,
            "keras_model": "mobilenet_v2 float32",
            "keras_images_per_second": 150.2,
            "rows": [speed("mobilenet_v2", "int8", 1825), speed("builtin", "int8", 3799)],
        }
    },
    "quality": {
        "evaluate": '{"model": "a", "linear_probe_accuracy": 0.8913, "precision_at_10": 0.7342}\n'
        '{"model": "b", "linear_probe_accuracy": 0.732, "precision_at_10": 0.4831}\n'
    },
    "similarity": {"table": f"{ranked('clothing', 0.4954)}\n{ranked('sports', 0.3104)}\n"},
    "search": {"bench": search(100_000, 0)},
    "other_photos": {
        "photos_36": others(36_000),
        "photos_70": others(70_000),
        "sports_100": others(100_000),
        "clothes_36": others(36_000),
    },
    "million": {"bench": search(1_000_000, 890_386)},
    "duplicates": {
        "mobilenet_v2": DUPLICATES.format(share="0.800"),
        "builtin": DUPLICATES.format(share="0.600"),
    },
    "clusters": {
        "table": "seed 0: 12 clusters\n",
        "by_label": "0\tt-shirt\t812\t0.1\ta.jpg\n1\tshoes\t423\t0.1\tb.jpg\n",
        "by_imagenet": "0\tjersey\t812\t0.1\ta.jpg\n1\tsandal, Loafer\t423\t0.1\tb.jpg\n",
    },
    "scale": {
        "graph": {"vectors": 110614, "seconds": 4.44, "recall": 0.9351},
        "cluster": "0\tcluster 0\t9\t0.1\ta.jpg\n1\tcluster 1\t8\t0.1\tb.jpg\n",
        "page": "38123456 scale/map.html\n",
        "direct": {"clusters": 66, "cluster_seconds": 113.2, "map_seconds": 75.4},
    },
    "probe": {
        "train": trained(0.8754),
        "evaluate": {**scores("accuracy", 0.886), "labels": {"images": 20}},
        "copies_train": trained(0.857),
        "copies_evaluate": scores("accuracy", 0.854),
        "suggestions": {"no more": 0.7182, "suggested": 0.8031},
    },
    "probe_intervals": {"few": chosen("clothing", 4), "more": chosen("sports", 20)},
    "finetune": {
        "train": tuned(0.931),
        "precision": "20 queries, precision@10 0.913\n",
        "last_weights": tuned(0.921),
    },
    "scratch": {"mobilenet_v2": tuned(0.496), "builtin": tuned(0.403)},
    "epoch": {
        "bench": {
            "ratio": 0.2194,
            "epoch": 15.6,
            "keras_epoch": 71.1,
            "computed_once": 9.04,
            "parity": 2.2e-7,
        }
    },
    "builtin": {"info": {"alpha": 0.5, "size": 96}},
}
SECONDS = {"cluster": 162.2, "map": 52.4, "train": 576.0}  # of a command by name; else 30
ROWS = [
    "Machine: 2 cores.",
    "| search | 2026-12-01 | 0.5 | 0.25 |",
    "| mobilenet_v2 int8 | 1,825 | 1,826 | 1,827 | 1,828 | 0.92 | 18.25 |",
    "| builtin int8 | 3,799 | 3,800 | 3,801 | 3,802 | 0.92 | 37.99 |",
    "| Keras idiom, mobilenet_v2 float32 | | | | 150 | | 1.00 |",
    "| b | 0.732 | 0.483 |",
    "| sports | 3,068 | 10 | 0.310 | 0.749 | 0.410 | 0.759 | 0.510 | 0.769 |",
    "| HNSW24_SQ8 | 0.69 | 361.0 | 16.9 | 0.992 | 0.892 | 0.792 | 24 MB |",
    "| lists | 70,000 | 0.991 | 1.000, 0.994 | clothing 0.998, catdog 1.000 | 1.14 | 259 |",
    "1,000,000 vectors, of which 890,386 are interpolated between neighbours:",
    "| turned 5 degrees | 0.80 | 0.60 |",
    "| changed, near-identical | 0.0000 of 300 | 0.0000 of 300 |",
    "| precision | 0.9960 of 500 pairs | 0.9960 of 500 pairs |",
    "    seed 0: 12 clusters",
    "| sandal, Loafer | shoes | 423 |",
    "| neighbour graph, a part of `cluster` | 4.4 | | has 0.935 of the exact neighbours |",
    "| `cluster` | 162 | 1.4 GB | 2 clusters |",
    "| `map`, after `cluster` | 52 | 1.4 GB | a page of 38 MB, with thumbnails |",
    "| umap-learn and hdbscan: clusters | 113 | 1.4 GB | 66 clusters |",
    "| accuracy | 0.875 (0.865 to 0.885) | 0.857 (0.847 to 0.867) |",
    "| leaky accuracy | 0.975 (0.965 to 0.985) | 0.957 (0.947 to 0.967) |",
    "| accuracy on the test photos | 0.886 (0.876 to 0.896) | 0.854 (0.844 to 0.864) |",
    "| no more | suggested |",
    "| clothing | 4 | 0.94 | 0.628 | 0.651 | 0.671 | 1.14 | 0.033 |",
    "| sports | 20 | 0.94 | 0.628 | 0.651 | 0.671 | 1.14 | 0.033 |",
    "| 0.718 | 0.803 |",
    "| defaults | 0.931 (0.921 to 0.941) | 0.886 | 0.045 (0.035 to 0.055) | 9.6 |",
    "| without interpolation | 0.921 (0.911 to 0.931) | 0.886 | 0.045 (0.035 to 0.055) | 0.5 |",
    "An epoch takes 0.22 of the time of one of `model.fit` (15.6 and 71.1 s for 1,000 images).",
    "The outputs of the frozen layers take 9.0 s once for 1,000 copies.",
    "The vectors of the two parts are those of the whole network within 2e-07 (1 - cosine).",
]


def result(name: str, command: str, output: Any) -> dict[str, Any]:
    return {
        "command": command,
        "seconds": SECONDS.get(name, 30.0),
        "memory": 1_400_000_000,
        "other_seconds": 7.5,
        "output": output if isinstance(output, str) else json.dumps(output),
    }


def test_every_figure_stands_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All sections have saved results, so that nothing is measured."""
    (tmp_path / "results").mkdir()
    for section, commands in SECTIONS.items():
        runs = {
            name: result(name, command, OUTPUTS[section].get(name, ""))
            for name, command in commands.items()
        }
        record = {"date": "2026-12-01", "machine": "2 cores", "runs": runs}
        (tmp_path / "results" / f"{section}.json").write_text(json.dumps(record))
    page = tmp_path / "page.md"
    arguments = ["photos", "--work", str(tmp_path), "--out", str(page)]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    lines = page.read_text().splitlines()
    assert [row for row in ROWS if row not in lines] == []
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.S)
    assert [line for block in blocks for line in block.splitlines()][2:4] == [
        SECTIONS["speed"]["bench"].removesuffix(" --json"),
        SECTIONS["quality"]["evaluate"],
    ]


def test_a_command_is_run_and_measured(tmp_path: Path, capfd: Captured) -> None:
    run = runpy.run_path(str(SCRIPT))["run"]
    (tmp_path / "data").mkdir()
    printing = "import os; print(os.getcwd(), os.environ['TMPDIR'] + '/new.jpg')"
    found = run(f'python -c "{printing}"', "data", tmp_path)
    assert found.output == f"{tmp_path} data/new.jpg\n"
    assert found.seconds > 0 and found.memory > 1_000_000
    with pytest.raises(SystemExit, match="exit code 3 of: python -c"):
        run('python -c "raise SystemExit(3)"', "data", tmp_path)
    assert capfd.readouterr().err.startswith("data: python -c")
