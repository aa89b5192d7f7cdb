"""Runs an evaluation case by case: several at once, none stopping the others, resumable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Protocol, TypeVar

import lvef
from lvef.core.journal import JOURNAL_NAME, Journal
from lvef.core.runner import Progress, reason_of, run
from lvef.core.terms import Status
from lvef.evaluation.results import CaseResult, UsedWeights, from_plain, to_plain
from lvef.inference.session import available_threads
from lvef.measure.batch import MAX_WORKERS
from lvef.measure.pipeline import ClipResult

C = TypeVar("C")
R = TypeVar("R", bound=CaseResult)

MEASURING = ("core", "geometry", "io", "transforms", "inference", "measure")
"""Parts of this package whose change makes the results of an earlier run void."""


class Measures(Protocol):
    """Whatever measures a file, as `lvef.measure.pipeline.Measurer` does."""

    def measure(self, path: Path) -> ClipResult:
        """Measure one clip."""


_SILENT = Progress(message=lambda _: None)


class CaseRunner:
    """Evaluates cases, and takes over what an earlier run in the same folder found; a context manager.

    Args:
        out: Folder, already made, that keeps what is done; None keeps nothing.
        workers: Cases at once; 0 takes the number of threads, at most `lvef.measure.batch.MAX_WORKERS`.
        progress: Progress callbacks; its ``message`` is given the reason of each case that failed.

    Attributes:
        resumed: Results of an earlier run that were taken over.

    Raises:
        OutputError: The journal cannot be opened.
    """

    def __init__(self, out: Path | None = None, *, workers: int = 0, progress: Progress = _SILENT) -> None:
        self._journal = None if out is None else Journal(out / JOURNAL_NAME)
        self._workers = workers or min(available_threads(), MAX_WORKERS)
        self._progress = progress
        self.resumed = 0

    def start(self, total: int) -> None:
        """Show progress over so many cases, counted once for each model."""
        self._progress.start(total)

    def __enter__(self) -> CaseRunner:
        return self

    def __exit__(self, *_: object) -> None:
        if self._journal is not None:
            self._journal.close()

    def run(
        self,
        cases: Sequence[C],
        evaluate: Callable[[C], R],
        kind: type[R],
        *,
        key: Callable[[C], str],
        stamp: Callable[[C], str],
        made_with: str,
        digits: int = 0,
    ) -> tuple[R, ...]:
        """One result a case, in their order.

        Args:
            cases: What to evaluate.
            evaluate: Evaluates one case; an error that it raises becomes a failed result.
            kind: Class of the results.
            key: Name of a case in the journal.
            stamp: Changes when the case does; empty where its files cannot be examined, which is never taken over.
            made_with: From `settings_key`.
            digits: Significant digits of numbers in the journal; 0 keeps all.

        Raises:
            OutputError: The journal cannot be written.
        """
        journal = self._journal

        def find_earlier(case: C) -> R | None:
            entry = None if journal is None else journal.matching(key(case), stamp(case), made_with)
            try:
                return None if entry is None else from_plain(kind, entry["record"])
            except (TypeError, KeyError, AttributeError, ValueError):
                return None

        def record(case: C, result: R) -> None:
            if result.is_failed:
                self._progress.message(result.reason)
            elif journal is not None:
                entry = {"item": key(case), "stamp": stamp(case), "made_with": made_with}
                journal.append(entry | {"record": to_plain(result, digits=digits)})

        finished = run(
            cases,
            evaluate,
            on_error=lambda case, error: kind(
                item=key(case), status=str(Status.FAILED), reason=reason_of(error, key(case))
            ),
            earlier=find_earlier,
            record=record,
            progress=replace(self._progress, start=lambda _: None),
            name=key,
            workers=self._workers,
        )
        self.resumed += sum(one.resumed for one in finished)
        return tuple(one.result for one in finished)


def settings_key(weights: UsedWeights | None, *evaluating: str) -> str:
    """Changes when the model, its runtime, the measuring code or the evaluating code does.

    Args:
        weights: The model as it was used, or None.
        evaluating: Folders or files of this package that evaluate, beside `MEASURING`.
    """
    network = None if weights is None else (weights.sha256, weights.backend, weights.precision)
    digest = _code_digest((*MEASURING, *evaluating))
    return hashlib.sha256(json.dumps([digest, network]).encode()).hexdigest()[:16]


@cache
def _code_digest(parts: tuple[str, ...]) -> str:
    """Hash of sources: the version alone would take over results from before a change of the code."""
    digest = hashlib.sha256()
    root = Path(lvef.__file__).parent
    for part in parts:
        path = root / part
        for source in [path] if path.is_file() else sorted(path.rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()
