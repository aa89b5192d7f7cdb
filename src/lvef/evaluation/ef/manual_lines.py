"""Lines of a collection, from its table of tracings or its masks, and how far a network's lines lie from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lvef.core.errors import DataError, GeometryError
from lvef.core.records import FloatArray
from lvef.core.terms import Phase
from lvef.datasets.findings import Findings
from lvef.datasets.volume_tracings import read_tracings
from lvef.evaluation.ef.records import Case, EfRecord, as_lines
from lvef.geometry.volume_tracing import volume_tracing_of_mask
from lvef.io.images import read_labels
from lvef.transforms.volume_tracing import traced_frame

REPORT_TEST_MAE = 0.0265
"""Mean absolute error of line ends on the report's test images, in image units. Source: the report (SPEC 4.2)."""

NOT_COMPARABLE = "another crop than the report's: not comparable"
"""Stands beside its figure wherever ours are shown."""


@dataclass(frozen=True, slots=True)
class ManualLines:
    """Lines of one frame.

    Attributes:
        frame: Its number from 0.
        lines: ``(21, 2, 2)`` pixels of the picture, in the one order and direction.
    """

    frame: int
    lines: FloatArray


Manual = Mapping[str, Mapping[Phase, ManualLines]]
"""Item -> phase -> lines."""


@dataclass(frozen=True, slots=True)
class LineError:
    """How far one frame's lines lie from those drawn by people.

    Attributes:
        item: Case.
        patient: Patient.
        phase: ED or ES.
        error_px: Mean absolute difference over the 84 coordinates.
        side_px: Longer side of the picture: what 1 is in image units.
        length_px: Length of the long axis that was drawn by people.
    """

    item: str
    patient: str
    phase: str
    error_px: float
    side_px: float
    length_px: float

    @property
    def image_units(self) -> float:
        """The error in parts of the picture's side."""
        return self.error_px / self.side_px

    @property
    def lengths(self) -> float:
        """The error in lengths of the left ventricle."""
        return self.error_px / self.length_px


def read_manual(cases: Sequence[Case]) -> tuple[dict[str, dict[Phase, ManualLines]], int]:
    """Lines of all cases on the ED and ES frames that their collection names.

    Returns:
        The lines, and how many traced frames could not be used: not there, or no ventricle.

    Raises:
        DataError: A table of tracings that the manifest names cannot be read.
    """
    tables: dict[Path, dict[str, dict[int, FloatArray]]] = {}
    found: dict[str, dict[Phase, ManualLines]] = {}
    lost = 0
    for case in cases:
        frames = case.named_frames
        if frames is None or (case.tracing_path is None and case.mask_path is None):
            continue
        if case.tracing_path is not None and case.tracing_path not in tables:
            tables[case.tracing_path] = read_tracings(case.tracing_path, Findings())
        for phase, frame in zip(Phase, frames, strict=True):
            try:
                lines = _of_frame(case, frame, tables)
            except (GeometryError, DataError):
                lines = None
            if lines is None:
                lost += 1
            else:
                found.setdefault(case.item, {})[phase] = ManualLines(frame, lines)
    return found, lost


def line_errors(cases: Sequence[Case], records: Sequence[EfRecord], manual: Manual) -> list[LineError]:
    """Errors of every frame that both have lines of.

    Args:
        cases: They.
        records: Of one network, in the order of the cases.
        manual: From `read_manual`.
    """
    found = []
    for case, record in zip(cases, records, strict=True):
        for phase, numbers in ((Phase.ED, record.lines_ed), (Phase.ES, record.lines_es)):
            drawn = manual.get(case.item, {}).get(phase)
            if drawn is None or not numbers or case.side_px is None:
                continue
            axis = drawn.lines[0, 1] - drawn.lines[0, 0]
            error = float(np.abs(as_lines(numbers) - drawn.lines).mean())
            length = float(np.hypot(axis[0], axis[1]))
            found.append(LineError(case.item, case.patient, str(phase), error, case.side_px, length))
    return found


def _of_frame(
    case: Case, frame: int, tables: Mapping[Path, Mapping[str, Mapping[int, FloatArray]]]
) -> FloatArray | None:
    if case.tracing_path is not None:
        raw = tables[case.tracing_path].get(case.item, {}).get(frame)
        return None if raw is None else traced_frame(frame, raw).lines
    assert case.mask_path is not None
    masks = read_labels(case.mask_path)
    return volume_tracing_of_mask(masks[frame]) if frame < len(masks) else None
