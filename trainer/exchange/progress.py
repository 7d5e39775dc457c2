"""A progress bar for a download, on stderr, and only where stderr is a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from trainer.exchange import fetch


@contextmanager
def bar() -> Iterator[fetch.Progress]:
    """Show groups that are there, of all; yields the callback of `fetch.fetch`."""
    console = Console(stderr=True)
    columns = (
        TextColumn("groups"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        # an address is shown as it is
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)

        def advance(there: int, groups: int, source: str) -> None:
            progress.update(task, completed=there, total=groups, description=source)

        yield advance
