"""Runs an evaluation case by case: several at once, none stopping the others, resumable. Results and models as JSON."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from functools import cache, partial
from pathlib import Path
from types import UnionType
from typing import Any, Protocol, TypeVar, get_args, get_origin, get_type_hints

import numpy as np

import lvef
from lvef.core.errors import ConfigError
from lvef.core.journal import JOURNAL_NAME, Journal
from lvef.core.runner import Pool, Progress, reason_of, run
from lvef.core.serialization import to_plain
from lvef.core.terms import Status
from lvef.evaluation.metrics import NAN
from lvef.inference.card import CARD_NAME
from lvef.inference.catalogue import ModelEntry
from lvef.inference.session import available_threads
from lvef.io.atomic import make_folder
from lvef.measure.batch import MAX_WORKERS
from lvef.measure.pipeline import ClipResult
from lvef.measure.predictor import Predictor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of one case; each evaluation adds its own fields.

    Attributes:
        item: Name of the case.
        status: How the measurement ended, one of `lvef.core.terms.Status`.
        reason_code: Why there is no EF, in a word.
        reason: The same in a sentence.
        ef_percent: The predicted EF; NaN without one.
    """

    item: str
    status: str
    reason_code: str = ""
    reason: str = ""
    ef_percent: float = NAN

    @property
    def has_ef(self) -> bool:
        """Whether there is an EF."""
        return math.isfinite(self.ef_percent)

    @property
    def is_failed(self) -> bool:
        """Whether the case could not be evaluated, for example because its file could not be read."""
        return self.status == Status.FAILED


def exit_code_of(results: Iterable[CaseResult]) -> int:
    """0 all done, 1 something failed, 3 only refusals."""
    listed = list(results)
    if any(result.is_failed for result in listed):
        return 1
    return 0 if any(result.has_ef for result in listed) else 3


@dataclass(frozen=True, slots=True)
class UsedWeights:
    """A model file that was evaluated, as its card and its runtime describe it; ``patients`` it was evaluated on.

    ``shape_sha256`` is that of the shape prior beside it, or empty.
    """

    name: str
    version: str
    sha256: str
    licence: str
    backend: str
    precision: str
    device: str
    patients: int
    shape_sha256: str = ""


def used_weights(predictor: Predictor, patients: int) -> UsedWeights:
    """Card and runtime of a loaded model."""
    card, engine = predictor.entry.card, predictor.engine
    file = (card.name, card.version, card.model_sha256, card.licence)
    runtime = (engine.backend, engine.precision, engine.device)
    return UsedWeights(*file, *runtime, patients, predictor.shape_sha256)


def from_plain(kind: type[T], values: Mapping[str, Any]) -> T:
    """The dataclass that `lvef.core.serialization.to_plain` wrote; fields that are not there keep their defaults.

    Raises:
        TypeError: The values are of another layout.
        AttributeError: The same.
    """
    hints = _hints(kind)  # type: ignore[arg-type]
    return kind(**{key: _from_plain(hints.get(key), value) for key, value in values.items()})


_hints = cache(get_type_hints)


def _from_plain(kind: Any, value: Any) -> Any:  # noqa: ANN401
    if kind is float:
        return NAN if value is None else float(value)
    if isinstance(kind, UnionType):
        # Of a kind or None.
        return None if value is None else _from_plain(get_args(kind)[0], value)
    if isinstance(kind, type) and is_dataclass(kind):
        return from_plain(kind, value)
    if get_origin(kind) is np.ndarray:
        return np.array(value, float)
    if get_origin(kind) is tuple:
        [inner, *_] = get_args(kind)
        return tuple(_from_plain(inner, each) for each in value)
    return value


def label_candidates(given: Sequence[str], entries: Sequence[ModelEntry]) -> list[list[str]]:
    """Labels of models for `first_distinct`, the shortest first; a folder is labelled by its last two names.

    Args:
        given: Names or folders, as the user gave them.
        entries: The models.

    Raises:
        ConfigError: A model is given twice.
    """
    cards = [entry.card for entry in entries]
    hashes = [card.model_sha256 for card in cards]
    for digest, n in Counter(hashes).items():
        if n > 1:
            same = [name for name, own in zip(given, hashes, strict=True) if own == digest]
            raise ConfigError(f"{' and '.join(same)} are the same model; give each model once.")
    folders = [entry.folder.resolve() for entry in entries]
    return [
        [card.name for card in cards],
        [f"{card.name} {card.version}" for card in cards],
        [
            f"{folder.parent.name}/{folder.name}" if (Path(name) / CARD_NAME).is_file() else name
            for name, folder in zip(given, folders, strict=True)
        ],
        [f"{card.name} {card.model_sha256[:8]}" for card in cards],
    ]


def first_distinct(*candidates: Sequence[str]) -> list[str]:
    """The first list of labels without duplicates, else the last list."""
    for labels in candidates:
        if len(set(labels)) == len(labels):
            break
    return list(labels)


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
        out: Folder, made if need be, that keeps what is done; None keeps nothing.
        workers: Cases at once; 0 takes the number of threads, at most `lvef.measure.batch.MAX_WORKERS`.
        progress: Progress callbacks; its ``message`` is given the reason of each case that failed.
        pool: Evaluates in place of ``workers`` threads; see `lvef.core.runner.run`.

    Attributes:
        resumed: Results of an earlier run that were taken over.

    Raises:
        OutputError: The journal cannot be opened.
    """

    def __init__(
        self,
        out: Path | None = None,
        *,
        workers: int = 0,
        progress: Progress = _SILENT,
        pool: Pool | None = None,
    ) -> None:
        if out is not None:
            make_folder(out)
        self._journal = None if out is None else Journal(out / JOURNAL_NAME)
        self._workers = workers or min(available_threads(), MAX_WORKERS)
        self._progress, self._pool = progress, pool
        self.resumed = 0

    @property
    def sends_work(self) -> bool:
        """Whether cases are evaluated in other processes, to which everything is sent."""
        return self._pool is not None

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
        model: str = "",
    ) -> tuple[R, ...]:
        """One result a case, in their order.

        Args:
            cases: What to evaluate.
            evaluate: Evaluates one case; an error that it raises becomes a failed result.
            kind: Class of the results.
            key: Name of a case.
            stamp: Changes when the case does; empty where its files cannot be examined, which is never taken over.
            made_with: From `settings_key`.
            model: Its hash, where the journal holds the results of several models.

        Raises:
            OutputError: The journal cannot be written.
        """
        journal = self._journal

        def name(case: C) -> str:
            return f"{model[:16]} {key(case)}".lstrip()

        def find_earlier(case: C) -> R | None:
            entry = None if journal is None else journal.matching(name(case), stamp(case), made_with)
            try:
                return None if entry is None else from_plain(kind, entry["record"])
            except (TypeError, KeyError, AttributeError, ValueError):
                return None

        def record(case: C, result: R) -> None:
            if result.is_failed:
                self._progress.message(result.reason)
            elif journal is not None:
                entry = {"item": name(case), "stamp": stamp(case), "made_with": made_with}
                # All digits: a run that resumes gives what one that was never stopped gives.
                journal.append(entry | {"record": to_plain(result, digits=0)})

        finished = run(
            cases,
            evaluate,
            on_error=partial(_failed, kind, key),
            earlier=find_earlier,
            record=record,
            progress=replace(self._progress, start=lambda _: None),
            name=key,
            workers=self._workers,
            pool=self._pool,
        )
        self.resumed += sum(one.resumed for one in finished)
        return tuple(one.result for one in finished)


def _failed(kind: type[R], key: Callable[[C], str], case: C, error: Exception) -> R:
    return kind(item=key(case), status=str(Status.FAILED), reason=reason_of(error, key(case)))


def settings_key(weights: UsedWeights | None, *evaluating: str) -> str:
    """Changes when the model, its runtime, the measuring code or the evaluating code does.

    Args:
        weights: The model as it was used, or None.
        evaluating: Folders or files of this package that evaluate, beside `MEASURING`.
    """
    network = (
        None
        if weights is None
        else (weights.sha256, weights.shape_sha256, weights.backend, weights.precision)
    )
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
