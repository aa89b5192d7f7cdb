"""What a user may set for a measurement. The defaults stand here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from lvef.core.terms import Sex, View
from lvef.io.limits import MAX_FRAMES
from lvef.measure.thresholds import DEFAULT, Thresholds

AUTO = "auto"
"""In place of a second model's name: the best installed one of another kind."""

ScaleLine = tuple[float, float, float, float, float]
"""A line of known length: x1, y1, x2, y2 in pixels of the image as it lies in the file, and its length in millimetres."""

MAX_SECONDS = 1800.0
"""Longest time for one file of a batch; a clip of 5000 frames takes a few minutes on two cores without bf16."""


@dataclass(frozen=True)
class MeasureOptions:
    """Settings of one measurement; the command line and its help are derived from these fields."""

    weights: str = "camus-seg"
    """Name of an installed model (see `lvef info`), or a folder with model.onnx and card.json."""
    backend: str = "auto"
    """Runtime: auto, openvino or onnxruntime."""
    precision: str = "auto"
    """Arithmetic: auto (bf16 where the processor has units for it, else f32), f32 or bf16."""
    threads: int = 0
    """Threads of the runtime; 0 leaves the choice to it."""
    view: View = View.UNKNOWN
    """View, where the file does not state it."""
    sex: Sex | None = None
    """Sex for the ASE/EACVI table; without it the grades for men and women are both given."""
    height_cm: float | None = None
    """Body height, for values per body surface."""
    weight_kg: float | None = None
    """Body weight, for values per body surface."""
    ed_frame: int | None = None
    """End-diastolic frame chosen by hand, from 0."""
    es_frame: int | None = None
    """End-systolic frame chosen by hand, from 0."""
    frame_rate_hz: float | None = None
    """Frame rate that overrides the file's."""
    mm_per_px: float | None = None
    """Millimetres per pixel, for a file without a scale; height of a pixel where they are not square."""
    scale_line: ScaleLine | None = None
    """Scale by a line of known length, for example two depth marks: X1,Y1,X2,Y2 in pixels and its length in mm."""
    a2c_mm_per_px: float | None = None
    """Biplane studies: millimetres per pixel of the A2C, if its scale differs from that of the A4C."""
    a2c_scale_line: ScaleLine | None = None
    """Biplane studies: line of known length on the A2C, in the same form."""
    a2c_keeps_scale: bool = False
    """Biplane studies: the A2C does not take the scale given for the A4C; it has its file's, or the one given for it."""
    prefer_manual_scale: bool = False
    """Use the given scale even if the file has its own."""
    per_beat: bool = False
    """EF models: find the beats with the installed segmentation model, and predict an EF for each; their mean is the EF.
    Without it the clip is read as a whole. Models that trace the ventricle always measure by beat."""
    second_opinion: str = ""
    """Measure with a second model too and report the difference between the two EFs. Give its name, or auto for the best
    installed model of another kind. The EF itself never changes."""
    max_frames: int = MAX_FRAMES
    """Longest clip that is read."""
    thresholds: Thresholds = DEFAULT
    """TOML file with thresholds of the decision (accepted, caution, refused) that differ from the defaults; every result
    records them."""
