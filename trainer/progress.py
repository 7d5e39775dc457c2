"""A progress bar for training, on stderr, and only where stderr is a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from trainer import training
from trainer.presets import Schedule


@contextmanager
def bar(title: str, recipe: Schedule, *, seeds: int = 1) -> Iterator[training.Progress]:
    """Show one line for a run of so many seeds side by side; yields the callback of `training.train`."""
    console = Console(stderr=True)
    columns = (
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("compiling", total=seeds * recipe.all_epochs)

        def advance(epoch: training.Epoch) -> None:
            right = "" if epoch.accuracy is None else f", {100 * epoch.accuracy:.2f} % right"
            progress.update(task, advance=1, description=f"{epoch.phase}: loss {epoch.loss:.3f}{right}")

        yield advance
