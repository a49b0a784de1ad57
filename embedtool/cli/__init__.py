"""The command line: each command makes one call of the library and prints its result.

The table below is all that `embedtool --help` needs: Typer, numpy and the other packages are
imported only for the command that runs.
"""

import gc
import os
import sys

COMMANDS = {  # name -> (module of this package, the first line of its help)
    "demo": (
        "demo",
        "Index, search, cluster and map drawn pictures, to try embedtool.",
    ),
    "index": ("index", "Add photos to an index, or bring it up to date with them."),
    "search": ("search", "Find the images most similar to each query image."),
    "duplicates": (
        "duplicates",
        "Find images that show the same picture, and suggest which to keep.",
    ),
    "cluster": ("cluster", "Group similar images, without a given number of groups."),
    "outliers": ("cluster", "List the images that are least similar to the others."),
    "map": ("map", "Draw a map of all images, with similar images near each other."),
    "probe": ("probe", "Train, apply and evaluate a classifier on the stored vectors."),
    "compare": ("compare", "Compare two models on the same labelled photos."),
    "finetune": ("finetune", "Train the upper part of a network on labelled photos."),
    "tune": (
        "tune",
        "Search for better fine-tuning settings.",
    ),
    "info": ("maintenance", "Show the model, the counts and the sizes of an index."),
    "rejects": ("maintenance", "List the files that were rejected, and why."),
    "verify": ("maintenance", "Check every file of an index for damage."),
    "doctor": (
        "maintenance",
        "Check that this machine computes the same vectors as before.",
    ),
    "compact": ("maintenance", "Reclaim the disk space of removed images."),
    "export": (
        "export_import",
        "Write the image paths and vectors of an index for other programs.",
    ),
    "import": (
        "export_import",
        "Make an index from vectors of another program, or from an export.",
    ),
    "model": ("model", "List, describe, download and import networks."),
    "bench": ("bench", "Measure the speed of this machine."),
}


def main() -> None:
    """Run the console command."""
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
        gc.set_threshold(50_000)  # imports create objects that are never freed: collect rarely
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
            "Commands (embedtool COMMAND --help explains each):",
            *(f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()),
            "",
            "Options:",
            "  --version             Show the version.",
            "  --debug               Show the traceback of an error.",
            "  --install-completion  Complete commands and options in this shell.",
            "  -h, --help            Show this text.",
        ]
    )
