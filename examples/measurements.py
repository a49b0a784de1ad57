"""Measure everything that docs/measurements.md states, and write that page again.

python examples/measurements.py CLOTHING COLLECTIONS... --work FOLDER [--only SECTIONS]

CLOTHING: labelled photos in train, validation and test. COLLECTIONS: more photos, as folders or zip
files. The commands of measurements.toml run in FOLDER, each section in a subfolder and with a cache
of its own, so that no earlier run makes it faster. The results of a section are saved when it is
complete. Run again, the script measures the missing sections, or those of --only, and writes the
page once all have results: the text of measurements.md.jinja, with the figures. It needs Linux.
"""

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

EXAMPLES = Path(__file__).resolve().parent
# section -> name -> command
SECTIONS: dict[str, dict[str, str]] = tomllib.loads((EXAMPLES / "measurements.toml").read_text())


@dataclass(frozen=True)
class Run:
    """A command that was run, and what it printed to standard output."""

    command: str
    seconds: float
    memory: int  # the most that its process held, in bytes
    other_seconds: float  # CPU time of the other processes of the machine meanwhile
    output: str

    @property
    def shown(self) -> str:
        return self.command.removesuffix(" --json")

    @property
    def json(self) -> Any:
        return json.loads(self.output)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.lines]

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()

    @property
    def cells(self) -> list[list[str]]:
        return [line.split("\t") for line in self.lines]

    @property
    def scores(self) -> list[tuple[str, str]]:
        """The lines that have a name, at least two spaces and a number."""
        return re.findall(r"^(\S.*?)  +([\d.]+)", self.output, re.M)

    def find(self, pattern: str) -> str:
        found = re.search(pattern, self.output)
        assert found, f"{self.command} printed no {pattern}"
        return found[1]


@dataclass(frozen=True)
class Section:
    date: str
    machine: str
    runs: dict[str, Run]

    def __getitem__(self, name: str) -> Run:
        return self.runs[name]

    @property
    def minutes(self) -> float:
        return sum(run.seconds for run in self.runs.values()) / 60

    @property
    def other_cores(self) -> float:
        """How many cores other processes used on average."""
        return sum(run.other_seconds for run in self.runs.values()) / self.minutes / 60


def measure(name: str, work: Path) -> Section:
    """Run the commands of a section in an empty folder of its name."""
    shutil.rmtree(work / name, ignore_errors=True)
    (work / name).mkdir()
    runs = {key: run(command, name, work) for key, command in SECTIONS[name].items()}
    return Section(date.today().isoformat(), machine(), runs)


def run(command: str, section: str, work: Path) -> Run:
    """Run a command in the folder `work`, with temporary files and cache in that of the section."""
    print(f"{section}: {command}", file=sys.stderr, flush=True)
    programs = {"python": [sys.executable], "embedtool": [sys.executable, "-m", "embedtool"]}
    program, *arguments = shlex.split(command)
    place = str(work / section)
    environment = {"EMBEDTOOL_CACHE_DIR": f"{place}/cache", "TMPDIR": place}
    busy, start = busy_seconds(), time.perf_counter()
    with subprocess.Popen(
        [*programs.get(program, [program]), *arguments],
        cwd=work,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout
        output = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    seconds, busy = time.perf_counter() - start, busy_seconds() - busy
    if child.returncode:
        sys.exit(f"exit code {child.returncode} of: {command}")
    others = max(0.0, busy - usage.ru_utime - usage.ru_stime)
    return Run(command, seconds, usage.ru_maxrss * 1024, others, output.replace(f"{work}/", ""))


def busy_seconds() -> float:
    """Return the CPU time that all processes of the machine have taken since it was started."""
    user, nice, system, _, _, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def machine() -> str:
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    gpu = "a GPU" if Path("/dev/nvidiactl").exists() else "no GPU"
    packages = ("embedtool", "tensorflow", "ai-edge-litert", "faiss-cpu", "umap-learn", "numpy")
    return ", ".join(
        [
            f"{os.cpu_count()} cores ({model[1] if model else platform.machine()})",
            gpu,
            f"Python {platform.python_version()}",
            *(f"{name} {version(name)}" for name in packages),
        ]
    )


def read_section(path: Path) -> Section:
    record = json.loads(path.read_text("utf-8"))
    runs = {name: Run(**run) for name, run in record.pop("runs").items()}
    return Section(**record, runs=runs)


def write_page(sections: dict[str, Section]) -> str:
    """Return the page: the template, with the figures of the sections."""
    environment = Environment(
        loader=FileSystemLoader(EXAMPLES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["fixed"] = lambda value, digits=0: f"{float(value):,.{digits}f}"
    environment.filters["interval"] = lambda pair: "{:.3f} to {:.3f}".format(*pair)
    machines = sorted({section.machine for section in sections.values()})
    template = environment.get_template("measurements.md.jinja")
    return template.render(sections, sections=sections, machines=machines)


def prepare(work: Path, clothing: Path, collections: list[Path]) -> None:
    """Put links to the photos and the examples into the folder; unpack zip files."""
    (work / "collections").mkdir(parents=True, exist_ok=True)
    (work / "results").mkdir(exist_ok=True)
    links = {"clothing": clothing, "examples": EXAMPLES}
    for path in collections:
        if path.is_dir():
            links[f"collections/{path.name}"] = path
        elif not (work / "collections" / path.stem).exists():
            shutil.unpack_archive(path, work / "collections")
    for name, target in links.items():
        (work / name).unlink(missing_ok=True)
        (work / name).symlink_to(target.resolve())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure, and write docs/measurements.md again.")
    parser.add_argument("clothing", type=Path, help="has train, validation and test")
    parser.add_argument("collections", type=Path, nargs="*", help="folders or zip files")
    parser.add_argument("--work", type=Path, required=True, help="the folder to work in")
    parser.add_argument("--out", type=Path, default=EXAMPLES.parent / "docs" / "measurements.md")
    parser.add_argument("--only", choices=SECTIONS, nargs="+", help="measure these again")
    options = parser.parse_args()
    work = options.work.resolve()
    prepare(work, options.clothing, options.collections)
    saved = {name: work / "results" / f"{name}.json" for name in SECTIONS}
    for name in options.only or SECTIONS:
        if options.only or not saved[name].exists():
            record = json.dumps(asdict(measure(name, work)), indent=1)
            saved[name].write_text(record, "utf-8")
    if missing := [name for name, path in saved.items() if not path.exists()]:
        sys.exit(f"no page yet: {', '.join(missing)} were not measured")
    options.out.write_text(
        write_page({name: read_section(path) for name, path in saved.items()}), "utf-8"
    )
    print(options.out)
