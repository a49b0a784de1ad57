"""Mutation testing: how many small faults in the code do the tests notice?

    pip install cosmic-ray pytest-cov
    python -m pytest -n 2 --dist loadfile --cov=embedtool --cov-context=test --cov-report= \\
        --junitxml=durations.xml
    python tests/mutation.py draw mutants.json
    python tests/mutation.py run mutants.json durations.xml

`draw` lists every mutation that Cosmic Ray makes in the modules below and draws some of them.
Mutations of annotations, and those that are not valid Python, are left out: any test notices them.
`run` applies each to a copy of the checkout and runs the tests that cover its lines, those of the
shortest duration first, until one fails. A mutant whose tests take ten times as long is caught too.
A second run tries only those that survived.
"""

import argparse
import ast
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from xml.etree import ElementTree

CHECKOUT = Path(__file__).resolve().parents[1]
MODULES = (
    "collection/sync.py",
    "collection/query.py",
    "search/*.py",
    "duplicates/*.py",
    "explore/*.py",
)
CAUGHT = ("caught", "timeout")


def all_mutations() -> Iterator[dict[str, Any]]:
    """Yield every mutation, in the order of modules, operators and occurrences."""
    from cosmic_ray.ast import ast_nodes, get_ast_from_path
    from cosmic_ray.plugins import get_operator, operator_names

    for pattern in MODULES:
        for module in sorted((CHECKOUT / "embedtool").glob(pattern)):
            nodes = list(ast_nodes(get_ast_from_path(module)))
            annotations = list(_annotations(module.read_text()))
            for name in sorted(operator_names()):
                operator = get_operator(name)
                if operator.arguments():  # these need a configuration
                    continue
                places = [p for node in nodes for p in operator().mutation_positions(node)]
                for occurrence, (start, end) in enumerate(places):
                    if not any(first <= start and end <= last for first, last in annotations):
                        yield {
                            "module": str(module.relative_to(CHECKOUT)),
                            "operator": name,
                            "occurrence": occurrence,
                        }


def _annotations(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield (line, column) of the start and of the end of each annotation."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(returns=ast.expr() as found):
                pass
            case ast.arg(annotation=ast.expr() as found) | ast.AnnAssign(annotation=found):
                pass
            case _:
                continue
        end = (found.end_lineno or 0, found.end_col_offset or 0)
        yield (found.lineno, found.col_offset), end


def mutated(mutation: dict[str, Any]) -> tuple[str, int, str]:
    """Return the mutated module, the number of its line that is changed, and the change."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    code = (CHECKOUT / mutation["module"]).read_text()
    new = mutate_code(code, get_operator(mutation["operator"])(), mutation["occurrence"])
    for line, (old, now) in enumerate(
        zip(code.splitlines(), new.splitlines(), strict=False), start=1
    ):
        if old != now:
            return new, line, f"{old.strip()} -> {now.strip()}"
    raise ValueError(f"{mutation} changes nothing")


def draw(target: Path, count: int, seed: int) -> None:
    mutations = list(all_mutations())
    random.Random(seed).shuffle(mutations)
    drawn: list[dict[str, Any]] = []
    while len(drawn) < count:
        mutation = mutations.pop()
        code, line, change = mutated(mutation)
        try:
            compile(code, mutation["module"], "exec")
        except SyntaxError:
            continue
        drawn.append({**mutation, "line": line, "change": change})
    target.write_text(json.dumps(drawn, indent=1))


def read_durations(report: Path) -> dict[str, float]:
    """Return the seconds of each test that passed, by its node id."""
    return {
        f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name']}": float(
            case.attrib["time"]
        )
        for case in ElementTree.parse(report).iter("testcase")
        if len(case) == 0
    }


def tests_of(module: str, line: int, durations: dict[str, float], budget: float) -> list[str]:
    """Return the tests that cover a line, the shortest first.

    budget: the seconds that they may take together; those of the module's own package count first.
    """
    from coverage import CoverageData

    data = CoverageData(str(CHECKOUT / ".coverage"))
    data.read()
    file = next(name for name in data.measured_files() if name.endswith(module))
    own = f"tests/{module.split('/')[1]}/"
    covering = {context.split("|")[0] for context in data.contexts_by_lineno(file).get(line, ())}
    order = sorted(covering & durations.keys(), key=lambda t: (own not in t, durations[t]))
    totals = itertools.accumulate(durations[test] for test in order)
    chosen = [test for test, total in zip(order, totals, strict=True) if total <= budget]
    return sorted(chosen or order[:1], key=durations.__getitem__)


def check(copy: Path, module: str, code: str, tests: list[str], seconds: float) -> str:
    """Return "caught", "timeout", "survived" or "not covered"."""
    if not tests:
        return "not covered"
    place = copy / module
    original = place.read_text()
    place.write_text(code)
    try:
        process = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60 + 10 * seconds,
        )
    except subprocess.TimeoutExpired:
        return "timeout"
    finally:
        place.write_text(original)
    if process.returncode in (3, 5):  # not 2 or 4: a test's module could not be imported
        raise RuntimeError(f"pytest ended with {process.returncode} for {tests}")
    return "caught" if process.returncode else "survived"


def run(target: Path, report: Path, jobs: int, budget: float) -> None:
    mutants = json.loads(target.read_text())
    durations = read_durations(report)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for job in range(jobs):
            copy = Path(folder) / str(job) / "checkout"
            shutil.copytree(CHECKOUT, copy, ignore=shutil.ignore_patterns(".venv", ".git"))
            if (shared := CHECKOUT.parent / "shared").is_dir():
                (copy.parent / "shared").symlink_to(shared.resolve())
            copies.put(copy)

        def one(mutant: dict[str, Any]) -> None:
            code, line, change = mutated(mutant)
            tests = tests_of(mutant["module"], line, durations, budget)
            copy = copies.get()
            try:
                seconds = sum(durations[test] for test in tests)
                mutant["result"] = check(copy, mutant["module"], code, tests, seconds)
            finally:
                copies.put(copy)
            print(mutant["result"], f"{mutant['module']}:{line}", change, sep="\t", flush=True)

        list(pool.map(one, [m for m in mutants if m.get("result") not in CAUGHT]))
    target.write_text(json.dumps(mutants, indent=1))
    caught = sum(mutant["result"] in CAUGHT for mutant in mutants)
    print(f"{caught} of {len(mutants)} caught: {caught / len(mutants):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    drawing = commands.add_parser("draw")
    drawing.add_argument("mutants", type=Path)
    drawing.add_argument("--count", type=int, default=300)
    drawing.add_argument("--seed", type=int, default=0)
    running = commands.add_parser("run")
    running.add_argument("mutants", type=Path)
    running.add_argument("durations", type=Path, help="JUnit report of the run with coverage")
    running.add_argument("--jobs", type=int, default=2)
    running.add_argument("--budget", type=float, default=120, help="seconds of tests for a mutant")
    chosen = parser.parse_args()
    if chosen.command == "draw":
        draw(chosen.mutants, chosen.count, chosen.seed)
    else:
        run(chosen.mutants, chosen.durations, chosen.jobs, chosen.budget)


if __name__ == "__main__":
    main()
