"""Calibration of the prediction interval of a segmentation model, and its evaluation; here, its settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lvef.measure.options import MeasureOptions


@dataclass(frozen=True)
class CalibrationCounts:
    """How many cases a calibration rests on, beside two pairs of stills of every patient."""

    perturbed: int = 20
    """Patients one view of whom is measured under every perturbation."""
    animated: int = 40
    """Patients whose A4C stills are animated."""
    phantoms: int = 48
    """Phantoms of each of four seeds: three for the fit, the fourth for the test."""
    phantom_seed: int = 181
    """First seed of the phantoms."""


@dataclass(frozen=True)
class CalibrationPlan:
    """Settings of a calibration.

    Attributes:
        weights: Model that the calibration is for.
        data: Folder of CAMUS.
        run: Training run with ``held-out.txt`` and the model that measures its patients.
        counts: How many cases.
        options: Engine, precision, threads and thresholds.
    """

    weights: str
    data: Path
    run: Path
    counts: CalibrationCounts = CalibrationCounts()
    options: MeasureOptions = field(default_factory=MeasureOptions)
