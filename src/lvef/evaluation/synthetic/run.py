"""Every clip of a synthetic collection through the measurer: several at once, none stopping the others, resumable."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lvef.core.errors import DataError, LvefError
from lvef.core.journal import Journal, file_stamp
from lvef.core.serialization import printable
from lvef.core.terms import Status
from lvef.core.workers import map_ordered
from lvef.evaluation.results import UsedWeights
from lvef.evaluation.runner import settings_key
from lvef.evaluation.synthetic.records import ClipRecord, from_plain, to_plain
from lvef.evaluation.synthetic.scoring import score
from lvef.evaluation.synthetic.truth_files import (
    TrueClip,
    check_beats,
    read_collection,
    read_curve,
    read_mask,
)
from lvef.inference.session import available_threads
from lvef.measure.batch import MAX_WORKERS
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import ClipResult

JOURNAL_NAME = "finished.jsonl"
"""What is done, a line a clip, so that a stopped run can go on."""


class Measures(Protocol):
    """Whatever measures a file, as `lvef.measure.pipeline.Measurer` does."""

    def measure(self, path: Path) -> ClipResult:
        """Measure one clip."""


@dataclass(frozen=True)
class SyntheticPlan:
    """What is to be judged.

    Attributes:
        folder: The synthetic collection.
        options: Network, engine, precision and threads.
        seed: Of the bootstrap and of the choice of pictures.
    """

    folder: Path
    options: MeasureOptions = field(default_factory=MeasureOptions)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """A clip that could not be judged, and why, in one sentence."""

    clip: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """Everything that was found.

    Attributes:
        collection: Name of the folder.
        records: Clips that were measured or refused, in the order of the list.
        problems: Clips that could not be judged.
        weights: The network that answered.
        resumed: How many records an earlier run had made.
        seconds: Time it took.
    """

    collection: str
    records: tuple[ClipRecord, ...]
    problems: tuple[Problem, ...]
    weights: UsedWeights | None
    resumed: int
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 all done, 1 something failed, 3 only refusals."""
        if self.problems:
            return 1
        return 0 if any(record.answered for record in self.records) else 3


def judge(
    plan: SyntheticPlan,
    measurer: Measures,
    *,
    weights: UsedWeights | None = None,
    clips: Sequence[TrueClip] | None = None,
    out: Path | None = None,
    workers: int = 0,
    say: Callable[[str], None] = lambda _: None,
    advance: Callable[[], None] = lambda: None,
) -> Judgement:
    """Measure and compare every clip.

    Args:
        plan: What was asked for.
        measurer: What measures.
        weights: The network behind it, for the report.
        clips: What `read_collection` read, where that was done already.
        out: Folder, already made, that keeps what is done; an earlier run there with the same files and settings is
            taken over. None keeps nothing.
        workers: Clips at once; 0 takes the number of threads, at most `MAX_WORKERS`.
        say: Told each problem as it is met.
        advance: Called after each clip.

    Raises:
        DataError: The collection cannot be read at all, or ``out`` cannot be written.
    """
    began = time.perf_counter()
    clips = read_collection(plan.folder) if clips is None else clips
    made_with = settings_key(weights, "evaluation/synthetic")
    journal = None if out is None else Journal(out / JOURNAL_NAME)
    found: list[ClipRecord | Problem] = []
    resumed = 0

    def one(clip: TrueClip) -> tuple[ClipRecord | Problem, str, bool]:
        stamp = _stamp(clip)
        earlier = None if journal is None else _earlier(journal.entries.get(clip.name), stamp, made_with)
        if earlier is not None:
            return earlier, stamp, True
        return judge_clip(clip, measurer), stamp, False

    try:
        workers = workers or min(available_threads(), MAX_WORKERS)
        with closing(map_ordered(one, clips, workers, name=lambda clip: clip.name)) as results:
            for clip, (result, stamp, again) in results:
                found.append(result)
                resumed += again
                if isinstance(result, Problem):
                    say(result.sentence)
                elif journal is not None and not again:
                    entry = {"item": clip.name, "stamp": stamp, "made_with": made_with}
                    journal.append(entry | {"record": to_plain(result)})
                advance()
    finally:
        if journal is not None:
            journal.close()
    return Judgement(
        printable(plan.folder.resolve().name),
        tuple(r for r in found if isinstance(r, ClipRecord)),
        tuple(r for r in found if isinstance(r, Problem)),
        weights,
        resumed,
        time.perf_counter() - began,
    )


def judge_clip(clip: TrueClip, measurer: Measures) -> ClipRecord | Problem:
    """Measure one clip and compare it with its truth; what is wrong with its files is a sentence."""
    try:
        if clip.fault:
            raise DataError(clip.fault)
        if not clip.video.is_file():
            raise DataError(f"{clip.video}: is missing; make the collection again.")
        curve = read_curve(clip.curve)
        check_beats(clip, curve)
        mask = read_mask(clip.mask, len(curve.times_s))
        measurement, opened = measurer.measure(clip.video)
        if measurement.status is Status.FAILED:
            raise DataError(measurement.reason)
        if opened is not None and opened.frames.shape[1:] != mask.labels.shape[1:]:
            sizes = [
                f"{width} x {height}" for height, width in (opened.frames.shape[1:], mask.labels.shape[1:])
            ]
            raise DataError(
                f"{clip.mask}: is {sizes[1]} pixels, its video {sizes[0]}; make the collection again."
            )
        return score(clip, curve, mask, measurement)
    except LvefError as error:
        return Problem(clip.name, str(error))


def _stamp(clip: TrueClip) -> str:
    """Changes when any file of the clip does, or the rows that tell of it."""
    told = json.dumps([[str(beat) for beat in clip.beats], clip.rhythm, dict(clip.parameters)], default=str)
    files = file_stamp([clip.video, clip.mask, clip.curve])
    return f"{files}:{hashlib.sha256(told.encode()).hexdigest()[:16]}" if files else ""


def _earlier(entry: Mapping[str, Any] | None, stamp: str, made_with: str) -> ClipRecord | None:
    if entry is None or not stamp or (entry.get("stamp"), entry.get("made_with")) != (stamp, made_with):
        return None
    try:
        return from_plain(entry["record"])
    except (TypeError, KeyError, AttributeError):
        return None
