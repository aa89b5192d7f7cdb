"""What is judged: cases of a manifest, and what a network or a file of predictions said of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from lvef.core.errors import GeometryError
from lvef.core.records import FloatArray
from lvef.core.terms import Status
from lvef.evaluation.metrics import NAN
from lvef.evaluation.results import UsedWeights
from lvef.geometry.ejection import ejection_fraction
from lvef.transforms.volume_tracing import N_LINES, volume_of_lines

ES_ABOVE_ED = "es_above_ed"
"""Reason of a refusal: the ventricle is larger at ES than at ED. Source: `lvef.measure.results`."""

NEGATIVE_COUNTS = ("es_above_ed", "answers_below_0")
"""Counts of a measurement that tell of a negative EF before the guards."""

NOT_IN_FILE = "not_predicted"
"""Reason of a case that a file of predictions does not hold, or holds with an empty cell."""

LineNumbers = tuple[float, ...]
"""84 numbers: 21 lines x 2 ends x (x, y) in pixels of the picture; empty where there are none."""


@dataclass(frozen=True, slots=True)
class Case:
    """One clip of the manifest with an EF. What the manifest does not tell is empty, NaN or None.

    Attributes:
        item: Its name.
        collection: Collection.
        patient: Clips of one patient are drawn together by the bootstrap.
        split: Part of the collection.
        path: File of the clip.
        ef_percent: The manifest's EF: the reference.
        edv_ml: The manifest's end-diastolic volume.
        esv_ml: The manifest's end-systolic volume.
        ef_method: How the collection came to them.
        view: View.
        quality: Picture quality.
        rhythm: Rhythm, where the labels tell it.
        sex: Sex.
        side_px: Longer side of the picture, or None.
        ed_frame: End-diastolic frame that the collection names.
        es_frame: End-systolic frame that it names.
        tracing_path: Table of its tracings.
        mask_path: File of its masks.
    """

    item: str
    collection: str
    patient: str
    split: str
    path: Path
    ef_percent: float
    edv_ml: float = NAN
    esv_ml: float = NAN
    ef_method: str = ""
    view: str = ""
    quality: str = ""
    rhythm: str = ""
    sex: str = ""
    side_px: int | None = None
    ed_frame: int | None = None
    es_frame: int | None = None
    tracing_path: Path | None = None
    mask_path: Path | None = None

    @property
    def named_frames(self) -> tuple[int, int] | None:
        """The ED and the ES frame that the collection names, or None."""
        return None if self.ed_frame is None or self.es_frame is None else (self.ed_frame, self.es_frame)


@dataclass(frozen=True, slots=True)
class EfRecord:
    """What came of one case. It survives as JSON.

    Attributes:
        item: Name of the case.
        status: How the measurement ended.
        reason_code: Why there is no answer, in a word.
        reason: The same in a sentence.
        ef_percent: The answer; NaN without one.
        edv_ml: End-diastolic volume of the answer; NaN without a scale.
        esv_ml: End-systolic volume of the answer.
        lines_ed: Raw lines on the ED frame that the collection names, steadied by nothing.
        lines_es: The same on its ES frame.
        aspect: Height of a pixel over its width.
        warnings: Codes of the measurement's warnings, such as ``truncated``.
        counts: How often the network's own output broke a rule before any guard acted; see
            `lvef.core.records.Measurement`.
    """

    item: str
    status: str
    reason_code: str = ""
    reason: str = ""
    ef_percent: float = NAN
    edv_ml: float = NAN
    esv_ml: float = NAN
    lines_ed: LineNumbers = ()
    lines_es: LineNumbers = ()
    aspect: float = 1.0
    warnings: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def answered(self) -> bool:
        """Whether there is an EF."""
        return math.isfinite(self.ef_percent)

    @property
    def failed(self) -> bool:
        """Whether the file could not be read."""
        return self.status == Status.FAILED

    @property
    def negative_before_guards(self) -> bool:
        """Whether the answer was a negative EF before anything mended or refused it."""
        told = self.ef_percent < 0 or self.edv_ml < self.esv_ml or self.reason_code == ES_ABOVE_ED
        return told or any(self.counts.get(name, 0) for name in NEGATIVE_COUNTS)

    @property
    def ef_at_named_percent(self) -> float:
        """EF from the raw lines on the frames that the collection names, negative ones too; NaN without lines."""
        if not self.lines_ed or not self.lines_es:
            return NAN
        square = np.array([1.0, self.aspect])
        try:
            ed, es = (
                volume_of_lines(as_lines(numbers) * square) for numbers in (self.lines_ed, self.lines_es)
            )
            return ejection_fraction(ed, es)
        except GeometryError:
            return NAN


@dataclass(frozen=True, slots=True)
class Entrant:
    """A network, or a file of predictions, and what it said.

    Attributes:
        label: Its name among the others.
        records: One a case, in the order of the cases.
        weights: The network; None for a file of predictions.
        unknown: Names in a file of predictions that are no case.
    """

    label: str
    records: tuple[EfRecord, ...]
    weights: UsedWeights | None = None
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class EfEvaluation:
    """All that was found, before it is summed up.

    Attributes:
        manifest: Name of the manifest's file.
        split: Which part was judged.
        cases: Its clips with an EF.
        entrants: What was judged.
        typical_percent: EF of the trivial answer: the median of the manifest's training part, where it has one.
        typical_words: Where that comes from.
        reference: How the manifest's EFs came about.
        notices: What a reader must know before believing the figures.
        resumed: Records that an earlier run had made.
        seconds: Time it took.
    """

    manifest: str
    split: str
    cases: tuple[Case, ...]
    entrants: tuple[Entrant, ...]
    typical_percent: float
    typical_words: str
    reference: str
    notices: tuple[str, ...] = field(default=())
    resumed: int = 0
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 all done, 1 some file could not be read, 3 only refusals."""
        records = [record for entrant in self.entrants for record in entrant.records]
        if any(record.failed for record in records):
            return 1
        return 0 if any(record.answered for record in records) else 3


def as_lines(numbers: Sequence[float]) -> FloatArray:
    """84 numbers as ``(21, 2, 2)`` lines."""
    return np.array(numbers, dtype=np.float64).reshape(N_LINES, 2, 2)


def to_plain(record: EfRecord) -> dict[str, Any]:
    """A record as values that JSON knows; what is not a number is null, what is empty is left out."""
    told = {key: value for key, value in asdict(record).items() if value not in ("", (), {})}
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in told.items()
    }


def from_plain(values: Mapping[str, Any]) -> EfRecord:
    """The record that `to_plain` wrote.

    Raises:
        TypeError: It is of another layout.
    """
    floats = {f.name for f in fields(EfRecord) if f.type == "float"}
    known: dict[str, Any] = {
        key: NAN if value is None and key in floats else tuple(value) if isinstance(value, list) else value
        for key, value in values.items()
    }
    return EfRecord(**known)
