"""Progress on stderr, while results go to stdout."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from lvef.cli.options import is_quiet, is_verbose
from lvef.core.runner import Finished, Progress


@contextmanager
def show_progress(
    title: str = "Measuring", describe: Callable[[Any], str] = lambda result: "done"
) -> Iterator[Progress]:
    """Show progress on stderr: a bar on a terminal, where there is more than one item; messages above it.

    With ``--verbose`` a line an item, with ``--quiet`` no bar.

    Args:
        title: Word before the bar.
        describe: What came of an item, from its result; for ``--verbose``.

    Yields:
        Progress callbacks; messages get the program's name in front.
    """
    with ExitStack() as stack:
        bar = _Bar(title, stack)

        def detail(name: str, finished: Finished[Any, Any]) -> None:
            earlier = " (by an earlier run)" if finished.resumed else ""
            bar.message(f"lvef: {name}: {describe(finished.result)}{earlier}")

        yield Progress(
            (lambda total: None) if is_quiet() else bar.start,
            lambda: bar.advance(),
            lambda text: bar.message(f"lvef: {text}"),
            detail if is_verbose() else (lambda name, finished: None),
            (lambda text: None) if is_quiet() else lambda text: bar.state(text),
        )


class _Bar:
    """A progress bar that learns its length when the work begins."""

    # How often the state of a run is written where there is no bar that could show it.
    REPORT_S = 60.0

    def __init__(self, title: str, stack: ExitStack) -> None:
        self._title, self._stack = title, stack
        self.advance: Callable[[], None] = lambda: None
        self.state: Callable[[str], None] = self._report
        self._reported_at = time.monotonic()
        self.message: Callable[[str], None] = lambda text: print(text, file=sys.stderr)  # noqa: T201

    def start(self, total: int) -> None:
        if total < 2 or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        console = Console(file=sys.stderr, highlight=False)
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
        bar = self._stack.enter_context(Bar(self._title, *columns, console=console, transient=True))
        task = bar.add_task("", total=total)
        self.advance = lambda: bar.advance(task)
        self.state = lambda text: bar.update(task, description=escape(text))
        self.message = lambda text: console.print(escape(text), soft_wrap=True)

    def _report(self, text: str) -> None:
        now = time.monotonic()
        if now - self._reported_at >= self.REPORT_S:
            self._reported_at = now
            self.message(f"lvef: {text}")


def counter(progress: Progress) -> Callable[[int, int], None]:
    """A callback that takes how many items of how many are done."""
    shown = -1

    def show(done: int, total: int) -> None:
        nonlocal shown
        if shown < 0:
            progress.start(total)
            shown = 0
        for _ in range(done - shown):
            progress.advance()
        shown = done

    return show
