"""A made-up ventricle that beats, as a clip and as the measurement that a good pipeline would give."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Any

import numpy as np

from lvef.core.records import (
    Beat,
    Clip,
    CodedWarning,
    ImageQuality,
    Measurement,
    PixelSpacing,
    Provenance,
    SecondOpinion,
    Tracing,
    VolumeCurve,
)
from lvef.core.terms import MEASURABLE_VIEWS, RECOGNISED_VIEWS, Status, View
from lvef.measure.view import FrameViews
from lvef.transforms.sector import Sector

PROVENANCE = Provenance(
    "0.1.0", "camus-seg 1", "ab" * 32, "CC-BY-NC-SA-4.0", "openvino", "bf16", "Test CPU", 0.25
)


@lru_cache(1000)
def ellipse_tracing(centre: tuple[float, float], semi: tuple[float, float], points: int = 60) -> Tracing:
    """A half-closed ellipse, apex up: contour, axis and 20 chords in closed form; shared, so not to be written to."""
    (cx, cy), (a, b) = centre, semi
    angle = np.linspace(-1.2 * np.pi, 0.2 * np.pi, points)
    contour = np.stack([cx + a * np.cos(angle), cy + b * np.sin(angle)], axis=1)
    mitral = np.stack([contour[0], contour[-1]])
    apex, base = np.array([cx, cy - b]), mitral.mean(axis=0)
    y = apex[1] + (np.arange(20) + 0.5) / 20 * (base[1] - apex[1])
    half = a * np.sqrt(np.clip(1 - ((y - cy) / b) ** 2, 0, None))
    chords = np.stack([np.stack([cx - half, y], 1), np.stack([cx + half, y], 1)], axis=1)
    return Tracing(contour, apex, base, mitral, chords)


def beating(
    n: int = 60,
    size: tuple[int, int] = (112, 112),
    period_s: float = 0.8,
    rate_hz: float = 50.0,
    *,
    calibrated: bool = True,
    frames: np.ndarray | None = None,
    source: str = "clip.avi",
    **changes: Any,
) -> tuple[Measurement, Clip]:
    """A regular heart: every beat starts with its ED and has its ES at 40 % of the cycle."""
    height, width = size
    times = np.arange(n) / rate_hz
    phase = times / period_s % 1
    squeeze = np.where(
        phase < 0.4, 0.5 - 0.5 * np.cos(np.pi * phase / 0.4), 0.5 + 0.5 * np.cos(np.pi * (phase - 0.4) / 0.6)
    )
    centre = (0.5 * width, 0.45 * height)
    tracings = [
        ellipse_tracing(centre, ((0.15 - 0.04 * s) * width, (0.28 - 0.05 * s) * height))
        for s in squeeze.tolist()
    ]
    if frames is None:
        rng = np.random.default_rng(0)
        yy, xx = np.mgrid[:height, :width]
        fan = np.hypot(xx - width / 2, yy) < 0.95 * height
        texture = rng.integers(20, 130, (height, width))
        frames = np.repeat(np.where(fan, texture, 0)[None], n, axis=0).astype(np.uint8)
    volume = 120.0 * (1 - 0.6 * squeeze)
    length = 90.0 - 15.0 * squeeze
    curve = VolumeCurve(times, volume, length, calibrated)
    ed = [round(k * period_s * rate_hz) for k in range(int((n - 1) / rate_hz / period_s) + 1)]
    beats = tuple(
        Beat(
            a, (es := a + round(0.4 * period_s * rate_hz)), b, float(volume[a]), float(volume[es]),
            float(100 * (volume[a] - volume[es]) / volume[a]), period_s,
        )
        for a, b in itertools.pairwise(ed)
    )  # fmt: skip
    answer = beats[0] if beats else None
    clip = Clip(frames, times, "container", source, PixelSpacing(0.5, 0.5, "region") if calibrated else None)
    values: dict[str, Any] = {
        "source": source,
        "status": Status.OK,
        "method": "disks_single_plane",
        "view": View.A4C,
        "ef_percent": answer.ef_percent if answer else None,
        "edv_ml": answer.ed_volume if answer and calibrated else None,
        "esv_ml": answer.es_volume if answer and calibrated else None,
        "stroke_volume_ml": answer.ed_volume - answer.es_volume if answer and calibrated else None,
        "volume_note": "" if calibrated else "The file has no scale, so volumes cannot be given in ml.",
        "categories": {
            "ase_2015_men": "normal", "ase_2015_women": "normal",
            "heart_failure": "preserved", "report": "normal",
        },
        "ed_frame": answer.ed_frame if answer else None,
        "es_frame": answer.es_frame if answer else None,
        "beats": beats,
        "ef_mean_percent": answer.ef_percent if answer else None,
        "ef_sd_percent": 0.0 if len(beats) > 1 else None,
        "beats_averaged": len(beats) or None,
        "heart_rate_bpm": 60 / period_s,
        "heart_rate_source": "beats",
        "n_frames": n,
        "frame_rate_hz": rate_hz,
        "duration_s": (n - 1) / rate_hz,
        "timing": "container",
        "spacing": clip.spacing,
        "notices": (CodedWarning("few_beats", "Only one beat could be counted; five or more are advised."),),
        "provenance": PROVENANCE,
        "curve": curve,
        "tracings": tuple(tracings),
    }  # fmt: skip
    return Measurement(**values | changes), clip


def assessed(**changes: Any) -> dict[str, Any]:
    """Values of view, decision, prediction interval, image quality and second opinion, for `beating`."""
    values: dict[str, Any] = {
        "view_probability": 0.97,
        "view_source": "image",
        "decision": "caution",
        "ef_low_percent": 47.6,
        "ef_high_percent": 66.4,
        "interval_level": 0.9,
        "category_probabilities": {"reduced": 0.01, "mildly_reduced": 0.07, "preserved": 0.92},
        "quality": ImageQuality(
            0.52,
            {"visible_lateral": 0.6, "visible_apical": None, "sector_width_deg": 74.6, "frame_rate_hz": 50.0},
            (
                "the lateral wall is not visible in 40 % of its border; tilt the probe",
                "Record five beats or more.",
                "A third sentence.",
            ),
        ),
        "second_opinion": SecondOpinion("two-stream-tuned 1", 71.2, 11.2),
        "notices": (CodedWarning("models_disagree", "The models disagree: look at the contours."),),
        "thresholds": {"caution_width_points": 25.0},
    }
    return values | changes


def refused(source: str = "menu.png.avi", code: str = "no_fan") -> Measurement:
    """A clip that was read and not measured."""
    return Measurement(
        source, Status.REFUSED, "No ultrasound fan was found in the picture.", code, provenance=PROVENANCE
    )


def failed(source: str = "broken.avi") -> Measurement:
    """A file that could not be read."""
    return Measurement(source, Status.FAILED, f"{source} is empty; a video was expected.", "unreadable")


class AlwaysApical:
    """Stands in for the view model where a test measures shapes that are no echo: every frame is A4C or A2C alike."""

    def look(self, clip: Clip, sector: Sector, frames: Any = None) -> FrameViews:
        """As `lvef.measure.view.ViewModel.look`."""
        rows = np.zeros((1, len(RECOGNISED_VIEWS)))
        rows[0, [RECOGNISED_VIEWS.index(view) for view in MEASURABLE_VIEWS]] = 0.5
        return FrameViews(np.zeros(1, np.intp), rows, np.zeros(1))
