"""Progress on stderr, while results go to stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(
    total: int, title: str = "Measuring"
) -> Iterator[tuple[Callable[[str], None], Callable[[], None]]]:
    """Show progress on stderr: a bar where a person looks on and there is more than one file.

    Args:
        total: Number of files.
        title: Word before the bar.

    Yields:
        ``say(sentence)``, which prints above the bar, and ``advance()``, to be called after each file.
    """
    if total < 2 or not sys.stderr.isatty():
        yield lambda sentence: print(sentence, file=sys.stderr), lambda: None  # noqa: T201
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(file=sys.stderr, highlight=False)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(title, *columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda sentence: console.print(escape(sentence), soft_wrap=True), lambda: bar.advance(task)
