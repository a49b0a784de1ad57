"""Run a command, and turn its errors into one line on stderr and an exit code."""

import functools
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import typer

from embedtool.cli import COMMANDS
from embedtool.cli.output import say
from embedtool.core.own_process import claim_process
from embedtool.errors import EmbedtoolError

INTERRUPTED = 130  # 128 + SIGINT, the convention of shells


def run(arguments: Sequence[str], names: Sequence[str], *, debug: bool = False) -> None:
    """Parse the arguments and run the command.

    names: the commands to load; only one if the first argument names it.
    """
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - None if the caller closed it
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    claim_process()
    warnings.showwarning = lambda message, *_: say(f"note: {message}")
    for stream in (sys.stdout, sys.stderr):  # file names that are not UTF-8 are printed unchanged
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    app = typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def embedtool() -> None:
        """Index a folder of photos, then search it by picture."""

    for name in names:
        module, text = COMMANDS[name]
        command = getattr(import_module(f"embedtool.cli.{module}"), name)
        if isinstance(command, typer.Typer):
            for inner in command.registered_commands:
                if inner.callback:
                    inner.callback = _guarded(inner.callback, debug)
            app.add_typer(command, name=name, help=text)
        else:
            app.command(name)(_guarded(command, debug))
    app(list(arguments), prog_name="embedtool")


def _guarded(command: Callable[..., Any], debug: bool) -> Callable[..., Any]:
    """Wrap a command so that its exceptions become one line on stderr and an exit code."""

    @functools.wraps(command)
    def guarded(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except (EmbedtoolError, OSError, KeyboardInterrupt) as error:
            if debug and not isinstance(error, KeyboardInterrupt):
                raise
            if isinstance(error, EmbedtoolError):
                say(f"error: {error}")
                raise typer.Exit(error.exit_code) from None
            if isinstance(error, KeyboardInterrupt):
                say("interrupted: what was stored is not lost. Run the same command to continue")
                raise typer.Exit(INTERRUPTED) from None
            if isinstance(error, BrokenPipeError):  # the reader, such as `| head`, closed the pipe
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise typer.Exit(0) from None
            where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
            say(
                f"error: {where}{error.strerror or error}. Nothing that was stored is lost. "
                "Solve this and run the same command again"
            )
            raise typer.Exit(1) from None

    return guarded
