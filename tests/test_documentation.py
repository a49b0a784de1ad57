"""The blocks of README and docs run as a reader would paste them, in order, in one folder."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import embedtool_here

import embedtool
from embedtool import draw_photos

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", "docs/index.md", "docs/search.md", "docs/duplicates.md", "docs/explore.md",
         "docs/classify.md", "docs/fine-tune.md", "docs/export.md", "docs/library.md"]  # fmt: skip
BLOCK = re.compile(r"(?:<!-- not run: ([^>]+) -->\n)?```(\w+)\n(.*?)```", re.S)
NOT_RUN = 5  # blocks that are marked: more would hide what no longer works


def blocks(page: str) -> list[tuple[str, str, str]]:
    """The reason not to run it ("" if there is none), the language and the text of each block."""
    found = BLOCK.findall((ROOT / page).read_text())
    return [(reason, language, text) for reason, language, text in found]


def run_line(line: str) -> tuple[int, str]:
    """Run a line of a shell: in this process if it is one of our commands alone, for some load for
    seconds. Return its exit code and what it says."""
    if line.startswith("embedtool ") and "|" not in line:
        here = embedtool_here(*shlex.split(line)[1:])
        return here.code, here.err
    done = subprocess.run(["sh", "-euc", line], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.slow
def test_every_block_runs_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_photos(tmp_path / "photos", per_kind=10)
    draw_photos(tmp_path / "more", per_kind=13, jpeg_only=True)
    monkeypatch.chdir(tmp_path)
    for name in ("TFHUB_CACHE_DIR", "KERAS_HOME"):  # the built-in network, which is fast
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    for page in PAGES:
        for reason, language, text in blocks(page):
            if reason:
                continue
            if language == "python":
                exec(compile(text, page, "exec"), {"embedtool": embedtool})
                continue
            assert language == "sh", f"{page} has a block of {language}"
            for line in text.splitlines():
                code, said = run_line(line)
                assert code == 0, f"{page}: {line}\n{said}"


def test_few_blocks_are_left_out_and_each_says_why() -> None:
    marked = [reason for page in PAGES for reason, _, _ in blocks(page) if reason]
    assert len(marked) == NOT_RUN, marked


def test_the_readme_is_short_and_every_page_is_linked() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) <= 150
    for page in (ROOT / "docs").glob("*.md"):
        assert f"docs/{page.name}" in readme, page


def test_links_and_pictures_of_the_pages_exist() -> None:
    for page in [*PAGES, "docs/how-it-works.md", "docs/measurements.md", "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"
