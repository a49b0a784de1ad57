"""The command line: argv to one call of the library to lines of text.

The table below is all that `embedtool --help` needs: Typer, numpy and the other packages are
imported for the command that runs, and only for it.
"""

import gc
import os
import sys

COMMANDS = {  # name -> (module of this package, the first line of its help)
    "demo": (
        "demo",
        "Draw pictures, index, search, cluster and map them, and say where to look.",
    ),
    "index": ("index", "Bring an index up to date with photos; make it where there is none."),
    "search": ("search", "Find the images most similar to each query image."),
    "duplicates": ("duplicates", "Find images that show the same picture, and say which to keep."),
    "cluster": ("cluster", "Group images that are alike, without being told how many groups."),
    "outliers": ("cluster", "List the images least like the rest."),
    "map": ("map", "Show all images on a plane, like ones near each other."),
    "probe": ("probe", "Learn classes from labels, predict them, and say how well."),
    "compare": ("compare", "Compare two models on the same labelled photos."),
    "finetune": ("finetune", "Train the upper part of a network on labelled photos."),
    "tune": (
        "finetune",
        "Search for better fine-tuning settings; the best go to OUT/best.json.",
    ),
    "info": ("maintenance", "Show what an index holds."),
    "rejects": ("maintenance", "List the files an index refused, and why."),
    "verify": ("maintenance", "Re-hash everything and say what is wrong."),
    "doctor": ("maintenance", "Check that this machine still makes the vectors the index holds."),
    "compact": ("maintenance", "Give the space of removed images back to the disk."),
    "export": ("export_import", "Write an index's images and vectors for other programs."),
    "import": ("export_import", "Make an index of vectors that were made elsewhere, or exported."),
    "model": ("model", "List, explain, fetch and import networks."),
    "bench": ("bench", "Measure indexing and search on this machine."),
}


def main() -> None:
    """The console command."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    completing = "_EMBEDTOOL_COMPLETE" in os.environ
    if not completing and (not arguments or arguments[0] in ("--help", "-h", "help")):
        print(_help())
    elif arguments == ["--version"]:
        from importlib.metadata import version

        print(f"embedtool {version('embedtool')}")
    else:
        gc.set_threshold(50_000)  # imports make objects that stay: looking at them often is waste
        from embedtool.cli.run import run

        known = not completing and arguments[0] in COMMANDS
        run(arguments, [arguments[0]] if known else list(COMMANDS), debug=debug)


def _help() -> str:
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            "Usage: embedtool COMMAND [OPTIONS] ...",
            "",
            "Index a folder of photos, then search it by picture. Start with: embedtool demo",
            "",
            "Commands (embedtool COMMAND --help tells more):",
            *(f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()),
            "",
            "Options:",
            "  --version             The version.",
            "  --debug               Show the traceback of an error.",
            "  --install-completion  Complete commands and options in this shell.",
            "  --help                This text.",
        ]
    )
