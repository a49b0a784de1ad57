"""What holds for the package as a whole: owners of libraries, public names, help, lazy imports."""

import ast
import inspect
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from support.command import embedtool

import embedtool as package
from embedtool import errors
from embedtool.cli import COMMANDS
from embedtool.finetune.settings import FinetuneSettings

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "embedtool"


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize(
    ("library", "owner"), [("tensorflow", "models"), ("keras", "models"), ("faiss", "search")]
)
def test_each_heavy_library_has_one_owner(library: str, owner: str) -> None:
    owners = {
        package_of(path)
        for path in modules()
        if re.search(rf"^\s*(import|from) {library}\b", path.read_text(), re.M)
    }
    assert owners == {owner}


def test_all_is_what_type_checkers_see() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(seen) == package.__all__
    for name, module in seen.items():
        assert getattr(package, name) is getattr(import_module(str(module)), name)


def test_every_public_name_has_a_docstring() -> None:
    for name in package.__all__:
        item = getattr(package, name)
        own = item.__doc__ or ""
        inherited = inspect.isclass(item) and issubclass(item, errors.EmbedtoolError)
        assert own.strip() or inherited, name


def test_the_error_tree_is_drawn_as_it_is() -> None:
    drawn = re.findall(r"(\w+) +(?:exit (\d))?", (errors.__doc__ or "").split("\n\n", 1)[1])
    exits = {name: int(code or 1) for name, code in drawn if hasattr(errors, name)}
    real = {
        name: item.exit_code
        for name, item in vars(errors).items()
        if inspect.isclass(item) and issubclass(item, errors.EmbedtoolError)
    }
    assert exits == real


def every_command() -> list[list[str]]:
    import typer

    found = []
    for name, (module, _) in COMMANDS.items():
        command = getattr(import_module(f"embedtool.cli.{module}"), name)
        if isinstance(command, typer.Typer):
            found += [[name, str(inner.name)] for inner in command.registered_commands]
        else:
            found.append([name])
    return found


@pytest.mark.parametrize("command", every_command(), ids=" ".join)
def test_every_command_has_help_and_stands_in_the_documentation(command: list[str]) -> None:
    done = embedtool(*command, "--help", COLUMNS="80")
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= 80
    assert embedtool(*command, "-h", COLUMNS="80").out == done.out
    assert "Usage: embedtool " + " ".join(command) in done.out
    assert "--json" in done.out
    described = done.out.split("Usage:")[1].split("\n\n")[1].strip()
    assert described and not described.startswith("Options")
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert any(f"embedtool {' '.join(command)}" in page.read_text() for page in pages)


def test_the_defaults_in_the_help_of_finetune_are_those_of_the_settings() -> None:
    text = " ".join(embedtool("finetune", "--help", COLUMNS="200").out.split())
    said = dict(re.findall(r" --([a-z-]+) <[^>]+> [^<]*?\[default: ([^];]+)\]", text))
    for name, value in FinetuneSettings().record().items():
        if not isinstance(value, bool):
            expected = value if isinstance(value, str) else f"{value:g}"
            assert said[name.replace("_", "-")] == expected, name


def test_the_help_table_says_what_the_commands_say() -> None:
    for name, (module, text) in COMMANDS.items():
        command = getattr(import_module(f"embedtool.cli.{module}"), name)
        if inspect.isfunction(command):
            assert (command.__doc__ or "").strip().splitlines()[0] == text


def loaded_by(code: str) -> set[str]:
    """The top-level modules in sys.modules after running code in a fresh interpreter."""
    script = f"{code}\nimport sys, json\nprint()\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_help_loads_no_numpy_no_rich_no_typer() -> None:
    code = "import sys; sys.argv = ['embedtool', '--help']; from embedtool.cli import main; main()"
    assert not loaded_by(code) & {"numpy", "rich", "typer", "jinja2", "PIL", "faiss", "tensorflow"}


def test_command_help_loads_no_numpy_heavyweights() -> None:
    code = (
        "import sys; sys.argv = ['embedtool', 'index', '--help']\n"
        "from embedtool.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass"
    )
    assert not loaded_by(code) & {"rich", "jinja2", "PIL", "faiss", "tensorflow", "ai_edge_litert"}


def test_importing_the_package_loads_nothing() -> None:
    assert not loaded_by("import embedtool") & {"numpy", "typer", "PIL", "faiss", "tensorflow"}


def test_nothing_unpickles() -> None:
    for path in modules():
        text = path.read_text()
        assert not re.search(r"pickle\.load|import pickle|joblib|allow_pickle=True", text), path


def test_pages_escape_by_their_templates_alone() -> None:
    """What is marked as safe to stand in a page as it is comes from two places."""
    marking = {
        path.name
        for path in modules()
        if re.search(r"\bMarkup\(|\bhtml\.escape\b|\bimport html\b", path.read_text())
    }
    assert marking == {"charts.py", "page.py"}
    for template in (PACKAGE / "report" / "templates").glob("*.html"):
        assert not re.search(r"\|\s*safe\b|autoescape", template.read_text()), template


def test_version_is_printed() -> None:
    assert embedtool("--version").out.startswith("embedtool 0.")


def test_no_file_has_more_than_300_lines() -> None:
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    assert [path for path in files if len(path.read_text().splitlines()) > 300] == []
