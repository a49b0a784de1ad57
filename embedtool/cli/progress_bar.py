"""A progress bar on a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embedtool.core.types import Progress


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator["Progress | None"]:
    """Yield a callback that draws a bar for the current stage; None if stderr is not a terminal or
    `quiet`."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]}"),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[rejected]}"),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, progress.TaskID] = {}

        def update(done: int, total: int, /, *, stage: str, rejected: int = 0) -> None:
            if stage not in tasks:
                for earlier in tasks.values():
                    bar.update(earlier, visible=False)
                tasks[stage] = bar.add_task(stage, rate="", rejected="")
            speed = bar.tasks[tasks[stage]].speed
            bar.update(
                tasks[stage],
                completed=done,
                total=total,
                rate=f"{speed:,.0f}/s" if speed else "",
                rejected=f"{rejected:,} rejected" if rejected else "",
            )

        yield update
