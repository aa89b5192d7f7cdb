"""How well a clip was recorded: readable parts, a score from 0 (poor) to 1 (good), and what would help most.

The parts come from sampled frames and the contours in them (`lvef.transforms.image_signs`), from the model's certainty, and
from the beats. The score is an ordinal logistic model of `SCORED` parts, fitted to a label of image quality that an expert
gave (``python -m studies.image_quality``); its coefficients lie beside the model they were fitted for, because contours are
that model's. Without them there are parts and no score.

Parts, shares where nothing else is said:

- ``visible_border``, ``visible_left_wall``, ``visible_apical``, ``visible_right_wall``: border that can be seen, by region;
  ``border_contrast``: its mean grey level outside less inside, 0-1; ``shadow``, ``cut_off``: border in a shadow or at the
  edge of the sector
- ``mean_grey`` (0-1), ``black_share``, ``saturated_share``, ``far_to_near`` (grey level, ratio), ``haze`` and
  ``apical_haze`` (grey level of the blood, 0-1; apical less basal)
- ``sector_width_deg``, ``frame_rate_hz``, ``beats`` (complete), ``probe_drift_percent`` (of apex and hinge points between
  end-diastoles, of the long axis)
- ``apex_depth`` (apex below the top of the sector, in long axes), ``length_to_width`` (at ED), ``apex_motion_percent`` (ED
  to ES, of the long axis), ``foreshortening``: how many of these three are as unusual as in one patient of twenty
- ``wall_contact``, ``odd_shapes`` (frames of implausible shape), ``certainty`` (of the model along the border, 0-1),
  ``area_jitter_percent`` (area of a frame against those beside it)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lvef.core.records import (
    BoolArray,
    Clip,
    FloatArray,
    FrameArray,
    ImageQuality,
    Measurement,
    PixelGeometry,
    Tracing,
    aspect_of,
    shape_of,
)
from lvef.core.terms import View
from lvef.geometry.simpson import axis_length, chord_lengths, polygon_area
from lvef.measure.predictor import TracedFrames
from lvef.measure.quality_score import QualityScale
from lvef.measure.shape_checks import implausible_shapes
from lvef.transforms.frames import Placement
from lvef.transforms.image_signs import (
    LEFT,
    REGIONS,
    border_signs,
    grey_signs,
    haze_signs,
    sector_shape,
    squares_of,
)
from lvef.transforms.sector import Sector

SAMPLED_FRAMES = 5
"""Frames of a clip that are looked at. On 11 cines of other hospitals the score differs from that of all frames by at most
.06 (8 frames: .04). All of this module costs 2 to 4 % of a clip's time."""

MAX_APEX_DEPTH, MIN_LENGTH_TO_WIDTH, MAX_APEX_MOTION_PERCENT = 0.557, 1.37, 14.7
"""Signs of foreshortening: the apex is deep, the ventricle short, the apex moves. What one in twenty exceeds of the expert
contours of 400 CAMUS training patients (depth and motion: A4C and A2C, length to width: A4C)."""


def quality_of_clip(
    clip: Clip,
    sector: Sector,
    traced: TracedFrames,
    base: Measurement,
    odd: Sequence[set[str]],
    scale: QualityScale | None,
) -> ImageQuality:
    """Quality of a clip before its beats are known.

    Args:
        clip: The clip.
        sector: Its sector.
        traced: What the model gave.
        base: Its curve and smoothed tracings; parts that it has already stay.
        odd: What is implausible about the contour of each frame (`lvef.measure.shape_checks.implausible_shapes`).
        scale: Coefficients of the score, or None.
    """
    known = [i for i, tracing in enumerate(base.tracings) if tracing is not None]
    sampled = [
        known[i] for i in np.unique(np.linspace(0, len(known) - 1, SAMPLED_FRAMES).round().astype(int))
    ]
    tracings = [tracing for i in sampled if (tracing := base.tracings[i]) is not None]
    parts = image_parts(clip.frames[sampled], sector, clip.spacing, tracings)
    return _quality(parts | {"frame_rate_hz": clip.frame_rate_hz}, traced, base, odd, scale)


def quality_of_stills(
    stills: Sequence[tuple[Clip, Sector]], traced: TracedFrames, base: Measurement, scale: QualityScale | None
) -> ImageQuality:
    """Quality of an ED and an ES still: the mean of both.

    Args:
        stills: Each with its sector, in the order of the tracings.
        traced: What the model gave.
        base: Its curve and tracings.
        scale: Coefficients of the score, or None.
    """
    both = [
        image_parts(clip.frames, sector, clip.spacing, [tracing])
        for (clip, sector), tracing in zip(stills, base.tracings, strict=True)
        if tracing is not None
    ]
    return _quality(mean_parts(both), traced, base, implausible_shapes(traced.tracings, base.spacing), scale)


def quality_with_beats(measurement: Measurement) -> Measurement:
    """The measurement with the parts of its quality that depend on the beats."""
    quality = measurement.quality
    if quality is None:
        return measurement
    parts = quality.parts | {
        "beats": float(len(measurement.counted_beats)),
        "probe_drift_percent": probe_drift_percent(measurement),
    }
    return replace(measurement, quality=ImageQuality(quality.score, parts, advice(parts, measurement.view)))


def quality_of_views(views: Mapping[str, Measurement]) -> ImageQuality | None:
    """Quality of a biplane study: the lower score, and the advice on both views; None where neither has any."""
    known = {name: view.quality for name, view in views.items() if view.quality is not None}
    if not known:
        return None
    scores = [quality.score for quality in known.values()]
    found = [score for score in scores if score is not None]
    # The most helpful sentence of each view comes before the second one of either.
    texts = [
        f"{name}: {quality.advice[place]}"
        for place in range(max(len(quality.advice) for quality in known.values()))
        for name, quality in known.items()
        if place < len(quality.advice)
    ]
    return ImageQuality(min(found) if len(found) == len(views) else None, {}, tuple(texts))


def image_parts(
    frames: FrameArray, sector: Sector, geometry: PixelGeometry | None, tracings: Sequence[Tracing]
) -> dict[str, float | None]:
    """Parts that images show, means over frames.

    Args:
        frames: ``(n, height, width)`` uint8.
        sector: Of these frames.
        geometry: What is known of the pixels; only their shape matters.
        tracings: One a frame, in pixels of the image.
    """
    squares, inside, placement = squares_of(frames, sector, geometry)
    shape = sector_shape(sector, geometry)
    probe = placement.to_network(shape.probe)
    found = [
        grey_signs(square, inside)
        | _traced_parts(square, inside, tracing_in_square(tracing, placement), probe)
        for square, tracing in zip(squares, tracings, strict=True)
    ]
    return {**mean_parts(found), "sector_width_deg": shape.width_deg}


def tracing_in_square(tracing: Tracing, placement: Placement) -> Tracing:
    """A tracing in pixels of the image, in pixels of the square."""
    move = placement.to_network
    return Tracing(
        move(tracing.contour),
        move(tracing.apex),
        move(tracing.base),
        move(tracing.mitral),
        move(tracing.chords),
    )


def mean_parts(found: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Mean of each part where it is known."""
    names = dict.fromkeys(name for parts in found for name in parts)
    values = {name: [v for parts in found if (v := parts.get(name)) is not None] for name in names}
    return {name: float(np.mean(known)) if known else None for name, known in values.items()}


def probe_drift_percent(measurement: Measurement) -> float | None:
    """How far apex and hinge points are apart between end-diastoles, percent of the long axis; None with less than two.

    What stays in place between the same phases of beats moves only with the probe or the patient.
    """
    counted = measurement.counted_beats
    frames = sorted({f for beat in counted for f in (beat.ed_frame, beat.end_frame) if f is not None})
    tracings = [
        t for f in frames if f < len(measurement.tracings) and (t := measurement.tracings[f]) is not None
    ]
    if len(tracings) < 2:
        return None
    metric = (1.0, aspect_of(measurement.spacing))
    places = np.array([np.vstack([t.apex, t.mitral]).mean(axis=0) * metric for t in tracings])
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    lengths = [axis_length(t, shape_of(measurement.spacing)) for t in tracings]
    return 100 * float(apart.max()) / float(np.mean(lengths))


def _quality(
    parts: Mapping[str, float | None],
    traced: TracedFrames,
    base: Measurement,
    odd: Sequence[set[str]],
    scale: QualityScale | None,
) -> ImageQuality:
    earlier = {} if base.quality is None else base.quality.parts
    found = earlier | dict(parts) | _shape_parts(base) | _model_parts(traced, odd)
    found["foreshortening"] = _foreshortening(found)
    score = None if scale is None else scale.score(found)
    return ImageQuality(score, found, advice(found, base.view))


def _traced_parts(
    square: FrameArray, inside: BoolArray, tracing: Tracing, probe: FloatArray
) -> dict[str, float]:
    border = border_signs(square, inside, tracing, probe)
    visible = {
        f"visible_{name}": float(border.visible[border.region == place].mean())
        for place, name in enumerate(REGIONS)
        if (border.region == place).any()
    }
    top = int(inside.any(axis=1).argmax())
    return {
        "visible_border": float(border.visible.mean()),
        **visible,
        "border_contrast": border.contrast,
        "shadow": float(border.shadow.mean()),
        "cut_off": float(border.cut_off.mean()),
        **haze_signs(square, tracing),
        "apex_depth": float(tracing.apex[1] - top) / axis_length(tracing),
    }


def _shape_parts(base: Measurement) -> dict[str, float | None]:
    """Length, width and motion of the apex between the largest and the smallest ventricle."""
    if base.curve is None or not np.isfinite(base.curve.volume).any():
        return {}
    ed, es = (base.tracings[int(f(base.curve.volume))] for f in (np.nanargmax, np.nanargmin))
    if ed is None or es is None:
        return {}
    shape = shape_of(base.spacing)
    length = axis_length(ed, shape)
    moved = (ed.apex - es.apex) * (1.0, aspect_of(base.spacing))
    return {
        "length_to_width": length / float(chord_lengths(ed, shape).max()),
        "apex_motion_percent": 100 * float(np.hypot(*moved)) / length,
    }


def _foreshortening(parts: Mapping[str, float | None]) -> float | None:
    depth, slender, motion = (parts.get(n) for n in ("apex_depth", "length_to_width", "apex_motion_percent"))
    if depth is None or slender is None or motion is None:
        return None
    signs = depth > MAX_APEX_DEPTH, slender < MIN_LENGTH_TO_WIDTH, motion > MAX_APEX_MOTION_PERCENT
    return sum(signs) / len(signs)


def _model_parts(traced: TracedFrames, odd: Sequence[set[str]]) -> dict[str, float | None]:
    """What the model's own output says."""
    areas = np.array([np.nan if t is None else polygon_area(t.contour) for t in traced.tracings])
    beside = (areas[:-2] + areas[2:]) / 2
    jitter = 100 * np.abs(areas[1:-1] / beside - 1) if len(areas) > 2 else np.array([np.nan])
    return {
        "wall_contact": _middle(traced.wall_contact),
        "certainty": _middle(traced.certainty),
        "odd_shapes": float(np.mean([bool(reasons) for reasons in odd])) if odd else None,
        "area_jitter_percent": _middle(jitter),
    }


def _middle(values: FloatArray) -> float | None:
    return float(np.nanmedian(values)) if np.isfinite(values).any() else None


@dataclass(frozen=True, slots=True)
class Advice:
    """What to say where a part is too low or too high.

    Attributes:
        part: Its name.
        limit: From where on it is said.
        spread: What is one step worse; the sentences are ordered by these steps.
        text: The sentence; ``{value}``, ``{percent}`` and ``{missing}`` (both of 100), and ``{wall}`` are filled in.
        below: Whether values below the limit are bad, else those above.
    """

    part: str
    limit: float
    spread: float
    text: str
    below: bool = True


WALLS = {
    View.A4C: {"Left": "septal", "Right": "lateral"},
    View.A2C: {"Left": "inferior", "Right": "anterior"},
}
"""Walls by their side of the image, in the usual orientation. Source: Lang et al., ASE/EACVI 2015."""

# fmt: off
_WALL = "{wall} not visible on {missing} % of its border: turn or tilt the probe slightly."

ADVICE = (
    Advice("visible_left_wall", 0.5, 0.2, _WALL),
    Advice("visible_right_wall", 0.5, 0.2, _WALL),
    Advice("visible_apical", 0.3, 0.2, "Apex not visible on {missing} % of its border: set the focus to the apex."),
    Advice("apical_haze", 0.18, 0.09,
        "Haze over the apex: lower the near-field gain or use harmonic imaging.", below=False),
    Advice("far_to_near", 0.62, 0.28, "The far field is dark: raise the far gain or reduce the depth."),
    Advice("mean_grey", 0.1, 0.08, "The image is dark: raise the gain."),
    Advice("mean_grey", 0.51, 0.08, "The image is too bright: lower the gain.", below=False),
    Advice("saturated_share", 0.02, 0.02, "{percent} % of the image is saturated: lower the gain.", below=False),
    Advice("shadow", 0.1, 0.1,
        "A shadow covers {percent} % of the border: move the probe away from the rib.", below=False),
    Advice("cut_off", 0.1, 0.1,
        "The sector edge cuts off {percent} % of the border: centre the ventricle.", below=False),
    Advice("frame_rate_hz", 30.0, 10.0,
        "{value:.0f} frames/s may miss end-systole: narrow the sector or reduce the depth."),
    Advice("beats", 1.0, 0.5, "No complete beat: record at least two beats."),
    Advice("probe_drift_percent", 10.0, 5.0,
        "The heart drifts by {value:.0f} % of its length between beats: hold the probe still during breath-hold.",
        below=False),
    Advice("foreshortening", 0.5, 0.25,
        "Possibly foreshortened: compare the long axis with the other apical view; one view cannot show it reliably.",
        below=False),
)
# fmt: on
"""Rules in the order of equal weight. Sources of the limits: walls, half of the border of two segments (contrast agents are
advised from two segments on that are not seen: Lang et al., ASE/EACVI 2015); apex, what one in ten of the images
labelled good falls below; haze, far field and brightness, what one in twenty of 400 CAMUS training patients exceeds (their
standard deviations are the spreads); darkness, half of the darkest of these, because other machines show black blood;
30 Hz, two frames in the shortest isovolumic relaxation (60 ms)."""


def advice(parts: Mapping[str, float | None], view: View) -> tuple[str, ...]:
    """Advice, the worst defect first.

    Args:
        parts: From this module.
        view: For the names of the walls.
    """
    found: list[tuple[float, str]] = []
    for rule in ADVICE:
        value = parts.get(rule.part)
        if value is None:
            continue
        worse = (rule.limit - value if rule.below else value - rule.limit) / rule.spread
        if worse > 0:
            text = rule.text.format(
                value=value,
                percent=round(100 * value),
                missing=round(100 * (1 - value)),
                wall=_wall(rule.part, view),
            )
            found.append((worse, text))
    # Sorting is stable: equal ones stay in the order of the table.
    return tuple(text for _, text in sorted(found, key=lambda one: -one[0]))


def _wall(part: str, view: View) -> str:
    """A wall by its side of the image, with the name that it has in the usual orientation of a known view."""
    side = "Left" if part.endswith(LEFT) else "Right"
    name = WALLS.get(view, {}).get(side, "")
    return f"{side} wall ({name})" if name else f"{side} wall"
