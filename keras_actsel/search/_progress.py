"""Progress of a search in the terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from keras_actsel.search._strategy import Request

Announce = Callable[[Request], None]


@contextmanager
def progress(verbose: int | str, total: int) -> Iterator[Announce]:
    """A bar with the time left on standard error, or nothing if verbose is 0; yields what to call for each request."""
    if verbose == 0:
        yield lambda request: None  # noqa: ARG005
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    left = (TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, *left, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=total)
        begun = 0

        def announce(request: Request) -> None:
            nonlocal begun
            budget = "" if request.epochs is None else f" to epoch {request.epochs}"
            name = f"{request.stage} {request.candidate} seed {request.seed}{budget}"
            bar.update(task, completed=begun, description=name)
            begun += 1

        yield announce
        bar.update(task, completed=total)
