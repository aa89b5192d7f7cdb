"""Frozen records that travel between the packages: a clip in, a measurement out.

Conventions: a clip is ``(frames, height, width)`` uint8; points are ``(x, y)`` in pixels of the image as it
lies in the file; frames count from 0; time is in seconds from the first frame; EF is 0-100.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lvef.core.terms import Sex, Status, View

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
FrameArray = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class CodedWarning:
    """A warning that stays on the result: a short machine-readable code and one plain sentence."""

    code: str
    text: str


MANUAL = "manual"
"""Begins the source of a scale that the user gave."""


@dataclass(frozen=True, slots=True)
class PixelSpacing:
    """Millimetres per pixel of the image as it lies in the file, and where that was read."""

    x_mm: float
    y_mm: float
    source: str

    @property
    def aspect(self) -> float:
        """Height of a pixel over its width."""
        return self.y_mm / self.x_mm

    @property
    def is_manual(self) -> bool:
        """Whether the user gave it."""
        return self.source.startswith(MANUAL)


@dataclass(frozen=True, slots=True)
class PixelAspect:
    """Shape of a pixel whose size is not known: lengths and volumes have no unit, their ratios are true.

    Attributes:
        aspect: Height of a pixel over its width, above 0.
        source: What in the file says so, for example ``"Pixel Aspect Ratio"``.
    """

    aspect: float
    source: str


PixelGeometry = PixelSpacing | PixelAspect
"""What is known of an image's pixels: their size, or only their shape."""


def aspect_of(geometry: PixelGeometry | None) -> float:
    """Height of a pixel over its width; 1 where nothing is known."""
    return 1.0 if geometry is None else geometry.aspect


def shape_of(geometry: PixelGeometry | None) -> PixelAspect | None:
    """The shape of a pixel without its size; None where it is square or nothing is known."""
    if geometry is None or math.isclose(geometry.aspect, 1.0, rel_tol=1e-6):
        return None
    return PixelAspect(geometry.aspect, geometry.source)


def geometry_of(values: Mapping[str, Any] | None) -> PixelGeometry | None:
    """What `dataclasses.asdict` made of a `PixelGeometry` or None."""
    if not values:
        return None
    return PixelSpacing(**values) if "x_mm" in values else PixelAspect(**values)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels: ``x0 <= x < x1`` and ``y0 <= y < y1``."""

    x0: int
    y0: int
    x1: int
    y1: int
    upside_down: bool = False
    """Whether a network is to be shown it turned over, top to bottom: the probe is below."""

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.y1 - self.y0


@dataclass(frozen=True, slots=True)
class Clip:
    """A decoded cine (or a still: one frame).

    Attributes:
        frames: Grey images, ``(n, height, width)`` uint8.
        times_s: Time of each frame from the first, ``(n,)`` float64, strictly increasing.
        timing: Where the times come from, for example ``"container"``, ``"FrameTime"`` or ``"assumed"``.
        source: The file's name as the user gave it.
        spacing: Millimetres per pixel; where the file has no usable scale the pixels' shape, if it states that they are not
            square, else None.
        spacing_note: Why there are no millimetres, in one sentence; empty when there are.
        region: The 2-D tissue region that the file names, or None.
        other_regions: What else it names: a second image, Doppler, M-mode, an ECG.
        chroma: ``(height, width)`` uint8, the largest departure from the clip's own tint over sampled frames
            (0 where everything is grey), or None for a monochrome source. Colour Doppler shows up here.
        view: View as stated in the file; usually unknown.
        view_statement: What in the file states it (``View Code Sequence: apical long axis``), without the file's own texts.
            With an unknown view it states one that `View` has no name for.
        sex: Sex as stated in the file, used only for the sex-specific table.
        heart_rate_bpm: Heart rate as stated in the file, or None.
        r_wave_times_s: R-wave times as stated in the file, on the clock of ``times_s``.
        notices: Warnings of the reader.
    """

    frames: FrameArray
    times_s: FloatArray
    timing: str
    source: str
    spacing: PixelGeometry | None = None
    spacing_note: str = ""
    region: Box | None = None
    other_regions: tuple[Box, ...] = ()
    chroma: FrameArray | None = None
    view: View = View.UNKNOWN
    view_statement: str = ""
    sex: Sex | None = None
    heart_rate_bpm: float | None = None
    r_wave_times_s: tuple[float, ...] = ()
    notices: tuple[CodedWarning, ...] = ()

    @property
    def pixel_aspect(self) -> float:
        """Height of a pixel over its width; 1 where the file does not state it."""
        return aspect_of(self.spacing)

    @property
    def scale(self) -> PixelSpacing | None:
        """Millimetres per pixel, or None where the file has no usable scale."""
        return self.spacing if isinstance(self.spacing, PixelSpacing) else None

    @property
    def frame_rate_hz(self) -> float | None:
        """Median frame rate, or None for a still."""
        return float(1.0 / np.median(np.diff(self.times_s))) if len(self.times_s) > 1 else None


@dataclass(frozen=True, slots=True)
class Tracing:
    """The left ventricle of one frame: contour, long axis and disks.

    All points are ``(x, y)`` pixels. The long axis runs from apex to base (the middle of the mitral plane).
    Chord i crosses it at ``(i + 1/2) L / 20`` from the apex and runs from left to right in the image.

    Attributes:
        contour: Closed contour without a repeated end point, ``(k, 2)``.
        apex: ``(2,)``.
        base: ``(2,)``, middle of the mitral plane.
        mitral: ``(2, 2)``, the two hinge points, left then right in the image.
        chords: ``(20, 2, 2)``.
    """

    contour: FloatArray
    apex: FloatArray
    base: FloatArray
    mitral: FloatArray
    chords: FloatArray


@dataclass(frozen=True, slots=True)
class VolumeCurve:
    """Left-ventricular volume over a clip.

    Attributes:
        times_s: ``(n,)``.
        volume: ``(n,)``, NaN where no ventricle could be traced. Millilitres when ``calibrated``, else arbitrary
            units that are the same for every frame.
        length: ``(n,)`` long-axis length, millimetres when ``calibrated``, else pixels.
        calibrated: Whether the file has a scale in millimetres.
    """

    times_s: FloatArray
    volume: FloatArray
    length: FloatArray
    calibrated: bool


@dataclass(frozen=True, slots=True)
class Beat:
    """One beat: from an end-diastole over its end-systole to the next end-diastole.

    Attributes:
        ed_frame: Frame of a maximum of the volume at the beat's start.
        es_frame: Frame of the minimum between this end-diastole and the next.
        end_frame: The next end-diastole, or None where the clip ends before it (``partial``).
        ed_volume: Volume at ED, in the curve's unit.
        es_volume: Volume at ES, in the curve's unit.
        ef_percent: 100 (EDV - ESV) / EDV.
        duration_s: ED to next ED, or None where the beat is partial.
        excluded: Empty when the beat counts, else the reason in plain words.
    """

    ed_frame: int
    es_frame: int
    end_frame: int | None
    ed_volume: float
    es_volume: float
    ef_percent: float
    duration_s: float | None
    excluded: str = ""

    @property
    def counts(self) -> bool:
        """Whether it is a complete beat that is not left out."""
        return self.end_frame is not None and not self.excluded

    @property
    def last_frame(self) -> int:
        """The next end-diastole, or the end-systole where the clip ends before it."""
        return self.es_frame if self.end_frame is None else self.end_frame


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made a measurement: software, model and its kind, precision, time spent."""

    lvef_version: str
    weights: str
    weights_sha256: str
    weights_licence: str
    backend: str
    precision: str
    device: str
    seconds: float
    network_kind: str = "segmentation"


@dataclass(frozen=True, slots=True)
class Correction:
    """What a reader changed of the model's measurement, and what that measurement was.

    Attributes:
        reader: Who, as typed; may be empty.
        corrected_at: When, ISO 8601 in UTC to the second.
        changed: Of ``beat``, ``frames``, ``ed_contour``, ``es_contour`` what differs from the model's measurement; of a
            biplane study with the view in front (``A4C ed_contour``).
        machine_ef_percent: The model's EF, or None where it gave none.
        machine_edv_ml: Its EDV, or None without a scale.
        machine_esv_ml: Its ESV, or None without a scale.
        machine_ed_frame: Its ED frame, or None.
        machine_es_frame: Its ES frame, or None.
        note: The reader's words; may be empty.
        machine_beats_averaged: How many beats its EF and volumes were means of, or None where it gave none.
    """

    reader: str
    corrected_at: str
    changed: tuple[str, ...]
    machine_ef_percent: float | None = None
    machine_edv_ml: float | None = None
    machine_esv_ml: float | None = None
    machine_ed_frame: int | None = None
    machine_es_frame: int | None = None
    note: str = ""
    machine_beats_averaged: int | None = None


@dataclass(frozen=True, slots=True)
class ImageQuality:
    """How well a clip was recorded.

    Attributes:
        score: 0 (poor) to 1 (good), or None where the model in use has no score.
        parts: What can be read of it, by name: shares of the border that are visible, angles, rates; None where unknown.
        advice: Plain sentences, the most helpful first: what is wrong and what would help.
    """

    score: float | None
    parts: dict[str, float | None] = field(default_factory=dict)
    advice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """What a model of another family measured on the same clip.

    Attributes:
        weights: Its name and version.
        ef_percent: Its EF, or None without one.
        difference_points: Its EF less the result's, or None.
        reason: Why it gave no EF; empty otherwise.
    """

    weights: str
    ef_percent: float | None
    difference_points: float | None
    reason: str = ""


FROM_BEATS, FROM_FILE = "beats", "file"
"""Where a heart rate comes from: from the beats that were found, or only as stated in the file."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """The result for one clip, one pair of stills or one biplane study.

    ``ef_percent``, ``edv_ml`` and ``esv_ml`` are means over ``beats_averaged`` beats: the counted complete beats of a
    clip, or every pair of an A4C and an A2C beat of a study. ``ed_frame`` and ``es_frame`` are those of the beat that
    is shown, the one whose EF is nearest to the mean; its own volumes and EF stand in ``beats`` (`shown_beat`). Of one
    beat EF = 100 (EDV - ESV) / EDV holds; a mean of quotients is not the quotient of means. ``edv_ml`` and ``esv_ml``
    are None where the file has no scale, with the reason in ``volume_note``.

    ``status`` states whether there is a result; ``reason`` says why not. ``counts`` holds
    how often the model's raw output broke a rule before it was corrected, by name (``crossing_chords``, ``es_above_ed``,
    ``clips_outside_0_100``, ...); it is empty for segmentation models, whose output cannot.
    ``heart_rate_source`` says where the heart rate comes from: `FROM_BEATS`, `FROM_FILE`, or nothing without one.
    Where ``correction`` is set, a reader changed the result: EF, volumes, frames and tracings are then the reader's.

    ``view_probability`` is that of ``view`` by the image, whatever ``view_source`` (`ViewSource`) is. The prediction
    interval ``ef_low_percent`` to ``ef_high_percent`` holds the reference EF of a patient with probability
    ``interval_level``; without one ``interval_note`` says why. ``category_probabilities`` are those of the heart-failure
    ranges. ``decision`` is a `Decision` by ``thresholds``, the limits that were in force.
    """

    source: str
    status: Status
    reason: str = ""
    reason_code: str = ""
    method: str = ""
    view: View = View.UNKNOWN
    ef_percent: float | None = None
    edv_ml: float | None = None
    esv_ml: float | None = None
    stroke_volume_ml: float | None = None
    volume_note: str = ""
    indexed: dict[str, float] = field(default_factory=dict)
    categories: dict[str, str] = field(default_factory=dict)
    ed_frame: int | None = None
    es_frame: int | None = None
    beats: tuple[Beat, ...] = ()
    ef_mean_percent: float | None = None
    ef_sd_percent: float | None = None
    beats_averaged: int | None = None
    heart_rate_bpm: float | None = None
    heart_rate_source: str = ""
    n_frames: int | None = None
    frame_rate_hz: float | None = None
    duration_s: float | None = None
    timing: str = ""
    spacing: PixelGeometry | None = None
    notices: tuple[CodedWarning, ...] = ()
    provenance: Provenance | None = None
    single_plane: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    correction: Correction | None = None
    view_probability: float | None = None
    view_source: str = ""
    quality: ImageQuality | None = None
    ef_low_percent: float | None = None
    ef_high_percent: float | None = None
    interval_level: float | None = None
    interval_note: str = ""
    category_probabilities: dict[str, float] = field(default_factory=dict)
    decision: str = ""
    thresholds: dict[str, float] = field(default_factory=dict)
    second_opinion: SecondOpinion | None = None
    curve: VolumeCurve | None = field(default=None, repr=False, compare=False)
    tracings: tuple[Tracing | None, ...] = field(default=(), repr=False, compare=False)

    @property
    def counted_beats(self) -> tuple[Beat, ...]:
        """The complete beats that are not left out."""
        return tuple(beat for beat in self.beats if beat.counts)

    @property
    def shown_beat(self) -> Beat | None:
        """The beat of `ed_frame` and `es_frame`, or None."""
        return next((beat for beat in self.beats if self.is_shown(beat)), None)

    def is_shown(self, beat: Beat) -> bool:
        """Whether a beat is the one of `ed_frame` and `es_frame`."""
        return (beat.ed_frame, beat.es_frame) == (self.ed_frame, self.es_frame)

    @property
    def volume_unit(self) -> str:
        """Unit of the volumes of curve and beats: ``ml`` where the file has a scale, else ``relative``."""
        calibrated = self.edv_ml is not None if self.curve is None else self.curve.calibrated
        return "ml" if calibrated else "relative"

    @property
    def cardiac_output_l_min(self) -> float | None:
        """Stroke volume times heart rate in litres per minute; None without one of them.

        It is the output of the ventricle: what flows back through a leaking mitral valve is in it.

        Examples:
            >>> Measurement("a.dcm", Status.OK, stroke_volume_ml=70.0, heart_rate_bpm=60.0).cardiac_output_l_min
            4.2
        """
        if self.stroke_volume_ml is None or self.heart_rate_bpm is None:
            return None
        return self.stroke_volume_ml * self.heart_rate_bpm / 1000

    def frame_time_s(self, frame: int | None) -> float | None:
        """Time of a frame in seconds from the clip's first; None without such a frame and for stills."""
        if frame is None or self.curve is None or self.duration_s is None:
            return None
        return float(self.curve.times_s[frame]) if 0 <= frame < len(self.curve.times_s) else None

    def tracing(self, frame: int | None) -> Tracing | None:
        """The tracing of a frame, or None."""
        return self.tracings[frame] if frame is not None and 0 <= frame < len(self.tracings) else None
