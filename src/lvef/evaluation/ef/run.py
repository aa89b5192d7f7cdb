"""Every clip through every network: several at once, none stopping the others, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from lvef.core.errors import LvefError
from lvef.core.journal import Journal, file_stamp
from lvef.core.records import Clip, Measurement, Tracing
from lvef.core.serialization import printable
from lvef.core.workers import map_ordered
from lvef.evaluation.ef.cases import Selection
from lvef.evaluation.ef.records import (
    Case,
    EfEvaluation,
    EfRecord,
    Entrant,
    LineNumbers,
    from_plain,
    to_plain,
)
from lvef.evaluation.metrics import NAN
from lvef.evaluation.results import UsedWeights
from lvef.evaluation.runner import settings_key
from lvef.geometry.volume_tracing import volume_tracing_of_tracing
from lvef.inference.session import available_threads
from lvef.measure.batch import MAX_WORKERS
from lvef.measure.kinds import TracingPredictor
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import ClipResult
from lvef.transforms.sector import find_sector

JOURNAL_NAME = "finished.jsonl"
"""What is done, a line a clip and network, so that a stopped run can go on."""

DECIMALS = 2
"""Digits of a pixel that a line's end is kept with."""


class Measures(Protocol):
    """Whatever measures a file, as `lvef.measure.pipeline.Measurer` does."""

    def measure(self, path: Path) -> ClipResult:
        """Measure one clip."""


@dataclass(frozen=True)
class EfPlan:
    """What is to be judged.

    Attributes:
        manifest: The manifest's file.
        split: Part of it.
        weights: Names or folders of networks.
        predictions: Files of predictions.
        train_cards: Further networks, or their cards, whose training patients must not be judged on.
        runs: Folders of training runs whose loss curves are shown.
        overlays: Cases of each part that are shown with their lines.
        seed: Of the bootstrap and of the choice of cases.
        options: Engine, precision and threads.
    """

    manifest: Path
    split: str
    weights: tuple[str, ...] = ()
    predictions: tuple[Path, ...] = ()
    train_cards: tuple[Path, ...] = ()
    runs: tuple[Path, ...] = ()
    overlays: int = 0
    seed: int = 0
    options: MeasureOptions = field(default_factory=MeasureOptions)


@dataclass(frozen=True, slots=True)
class Network:
    """A network that takes part.

    Attributes:
        label: Its name among the others.
        measurer: What measures with it.
        weights: What card and engine tell.
    """

    label: str
    measurer: Measures
    weights: UsedWeights


class Bench:
    """Measures cases, and remembers what an earlier run in the same folder found.

    Args:
        out: Folder, already made, that keeps what is done; None keeps nothing.
        workers: Clips at once; 0 takes the number of threads, at most `lvef.measure.batch.MAX_WORKERS`.
        say: Told each file that could not be read.
        advance: Called after each clip of each network.

    Raises:
        DataError: The journal cannot be opened.
    """

    def __init__(
        self,
        out: Path | None = None,
        *,
        workers: int = 0,
        say: Callable[[str], None] = lambda _: None,
        advance: Callable[[], None] = lambda: None,
    ) -> None:
        self._journal = None if out is None else Journal(out / JOURNAL_NAME)
        self._workers = workers or min(available_threads(), MAX_WORKERS)
        self._say, self._advance = say, advance
        self.resumed = 0

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        if self._journal is not None:
            self._journal.close()

    def measure(self, network: Network, cases: Sequence[Case]) -> tuple[EfRecord, ...]:
        """One record a case, in their order.

        Raises:
            DataError: The journal cannot be written.
        """
        made_with = settings_key(network.weights, "evaluation/ef/run.py")
        found: list[EfRecord] = []

        def one(case: Case) -> tuple[EfRecord, str, bool]:
            stamp = _stamp(case)
            earlier = self._earlier(_key(network, case), stamp, made_with)
            if earlier is not None:
                return earlier, stamp, True
            return measure_case(case, network.measurer), stamp, False

        with closing(map_ordered(one, cases, self._workers, name=lambda case: case.item)) as results:
            for case, (record, stamp, again) in results:
                found.append(record)
                self.resumed += again
                if record.failed:
                    self._say(record.reason)
                elif self._journal is not None and not again:
                    entry = {"item": _key(network, case), "stamp": stamp, "made_with": made_with}
                    self._journal.append(entry | {"record": to_plain(record)})
                self._advance()
        return tuple(found)

    def _earlier(self, key: str, stamp: str, made_with: str) -> EfRecord | None:
        entry = None if self._journal is None else self._journal.entries.get(key)
        if entry is None or not stamp or (entry.get("stamp"), entry.get("made_with")) != (stamp, made_with):
            return None
        try:
            return from_plain(entry["record"])
        except (TypeError, KeyError, AttributeError):
            return None


def judge(
    selection: Selection,
    networks: Sequence[Network],
    predicted: Mapping[str, tuple[EfRecord, ...]],
    bench: Bench,
    *,
    unknown: Mapping[str, int] | None = None,
    notices: Sequence[str] = (),
) -> EfEvaluation:
    """Measure every case with every network, beside predictions that are there already.

    Args:
        selection: What of the manifest is judged.
        networks: They.
        predicted: Label -> one record a case, of files of predictions.
        bench: What measures.
        unknown: Label -> items of that file that are no case.
        notices: What a reader must know, beside what the selection tells.

    Raises:
        DataError: The journal cannot be written.
    """
    began = time.perf_counter()
    entrants = [Entrant(n.label, bench.measure(n, selection.cases), n.weights) for n in networks]
    for label, records in predicted.items():
        entrants.append(Entrant(label, records, unknown=(unknown or {}).get(label, 0)))
    return EfEvaluation(
        printable(selection.manifest),
        selection.split,
        selection.cases,
        tuple(entrants),
        selection.typical_percent,
        selection.typical_words,
        selection.reference,
        (*selection.notices, *notices),
        bench.resumed,
        time.perf_counter() - began,
    )


def measure_case(case: Case, measurer: Measures) -> EfRecord:
    """Measure one clip; what its file may hold is in the record's status."""
    measurement, clip = measurer.measure(case.path)
    m = measurement
    record = EfRecord(
        case.item,
        str(m.status),
        m.reason_code,
        "" if m.ef_percent is not None else m.reason,
        NAN if m.ef_percent is None else float(m.ef_percent),
        NAN if m.edv_ml is None else float(m.edv_ml),
        NAN if m.esv_ml is None else float(m.esv_ml),
        warnings=tuple(dict.fromkeys(notice.code for notice in m.notices)),
        counts=dict(m.counts),
    )
    frames = case.named_frames
    if clip is None or frames is None or max(frames) >= len(clip.frames):
        return record
    aspect = clip.pixel_aspect
    ed, es = (_numbers(tracing) for tracing in _traced(measurer, measurement, clip, frames))
    return replace(record, lines_ed=ed, lines_es=es, aspect=aspect)


def _traced(
    measurer: Measures, measurement: Measurement, clip: Clip, frames: tuple[int, int]
) -> Sequence[Tracing | None]:
    """Raw tracings of two frames, before anything steadies them or refuses them; none of a network that does not trace."""
    predictor = getattr(measurer, "predictor", None)
    if not isinstance(predictor, TracingPredictor):
        seen = measurement.tracings
        return [seen[frame] if frame < len(seen) else None for frame in frames]
    try:
        shown, box = predictor.shown(clip, find_sector(clip))
        return predictor.trace(shown, box, clip.spacing, times_s=clip.times_s, only=frames).tracings
    except LvefError:
        return [None, None]


def _numbers(tracing: Tracing | None) -> LineNumbers:
    if tracing is None:
        return ()
    return tuple(np.round(volume_tracing_of_tracing(tracing), DECIMALS).ravel().tolist())


def _key(network: Network, case: Case) -> str:
    return f"{network.weights.sha256[:16]} {case.item}"


def _stamp(case: Case) -> str:
    """Changes when the file does, or the frames that the manifest names."""
    file = file_stamp([case.path])
    return f"{file}:{case.named_frames}" if file else ""
