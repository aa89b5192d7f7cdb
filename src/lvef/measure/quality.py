"""Whether a clip should be measured at all. Each refusal is a result: a code and a sentence, never an EF.

Checks before the network: enough frames and time, no colour Doppler, no noise image. Checks after it: a ventricle on most
frames, with wall around it. The limits are set well outside what CAMUS stills and the packaged cine show, so that
they catch what is no apical view and leave poor images to the reader, with a warning. Those that a site can set are in
`lvef.measure.thresholds`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import QualityRefusal
from lvef.core.records import Beat, Clip, CodedWarning, FrameArray, Measurement, Tracing
from lvef.geometry.simpson import volume_of_tracing
from lvef.measure.predictor import TracedFrames
from lvef.measure.shape_checks import doubtful_contours
from lvef.measure.thresholds import Thresholds
from lvef.transforms.sector import Sector

MIN_FRAMES = 5
"""Fewer frames cannot show a curve. The shortest half sequences in use have about ten."""

MIN_DURATION_S = 0.2
"""Shorter than any systole (0.25 s at 150 beats a minute)."""

TURNED = "turned"
"""Code of the refusal of images that are turned by 90 degrees."""

COLOUR_LEVEL = 40
"""Departure from the clip's own tint, in grey levels, above which a pixel counts as coloured."""

MIN_NEIGHBOUR_CORRELATION = 0.4
"""Correlation of neighbouring pixels below which an image is noise. 598 CAMUS stills at 112 px: at least 0.92."""

CERTAINTY_REACH_PX = 3
"""Pixels to either side of the border along which the model's certainty is read."""

WEAK_WALLS = "weak_walls"
"""Code of the warning that little wall was seen."""

UNSTEADY = ("irregular_rhythm", "beats_disagree")
"""Codes of the warnings that cycles, or the EFs of beats, vary widely (`lvef.geometry.rhythm`). Atrial fibrillation does
that under good walls."""

MAX_RATE_DIFFERENCE = 0.2
"""Part by which the beats' heart rate may differ from the file's, which was counted at another moment."""

MIN_PERIODS = 3.0
"""A clip of so many periods of the heart rate that the file states shows a complete beat."""
SYSTOLE_AT_REST_S = 0.546
SYSTOLE_PER_BPM_S = 0.0021
"""Electromechanical systole of men is .546 s less .0021 s a beat per minute (Weissler et al., Circulation 37, 1968)."""
SYSTOLE_RATIO = (0.5, 1.5)
"""Systole against that: .73 to 1.22 on 8 cines of patients and 24 phantoms, 1.78 on a clip of a wrong frame rate."""


def check_clip(clip: Clip) -> None:
    """Refuse what is no cine.

    Raises:
        QualityRefusal: ``still``, ``too_short`` or ``doppler``.
    """
    n = len(clip.frames)
    if n == 1:
        raise QualityRefusal(
            "still",
            f"{clip.source}: one frame was found where a clip is needed; give a cine, the folder of all its numbered "
            "frames, or an ED and an ES still with --ed FILE --es FILE.",
        )
    duration = float(clip.times_s[-1])
    if n < MIN_FRAMES or duration < MIN_DURATION_S:
        raise QualityRefusal(
            "too_short",
            f"{clip.source}: {n} frames in {duration:.2f} s were found; at least {MIN_FRAMES} frames and "
            f"{MIN_DURATION_S} s, better two heart beats, are needed.",
        )
    if any(notice.code == "doppler_region" for notice in clip.notices):
        raise QualityRefusal(
            "doppler",
            f"{clip.source}: the file says that it shows Doppler or M-mode; a 2-D apical cine was expected.",
        )


def check_image(clip: Clip, sector: Sector, thresholds: Thresholds) -> None:
    """Refuse images that are no 2-D grey ultrasound.

    Args:
        clip: The clip.
        sector: Its sector.
        thresholds: Limits of colour.

    Raises:
        QualityRefusal: ``colour_doppler`` or ``noise``.
    """
    correlation = _neighbour_correlation(clip.frames[len(clip.frames) // 2], sector)
    if correlation < MIN_NEIGHBOUR_CORRELATION:
        raise QualityRefusal(
            "noise",
            f"{clip.source}: the image is noise (neighbouring pixels correlate by {correlation:.2f}, "
            f"at least {MIN_NEIGHBOUR_CORRELATION} was expected); check that the file is an echo cine.",
        )
    if clip.chroma is not None:
        coloured = float((clip.chroma[sector.mask] > COLOUR_LEVEL).mean())
        if coloured > thresholds.max_coloured_share:
            raise QualityRefusal(
                "colour_doppler",
                f"{clip.source}: {coloured:.0%} of the ultrasound image is coloured, as in colour Doppler; "
                "a grey 2-D cine was expected. Export the clip without colour.",
            )


def check_sector(source: str, sector: Sector) -> tuple[CodedWarning, ...]:
    """Refuse images that are turned by 90 degrees; say of images that they are upside down, and warn of two sectors.

    Args:
        source: File name for the message.
        sector: The sector that is measured.

    Returns:
        Warnings.

    Raises:
        QualityRefusal: ``turned``.
    """
    side = sector.apex_side
    if side in ("left", "right"):
        way = "clockwise" if side == "left" else "counter-clockwise"
        raise QualityRefusal(
            TURNED,
            f"{source}: the probe is at the {side} of the image; it was expected at the top. Rotate the file by 90 "
            f"degrees {way}.",
        )
    warnings = []
    if side == "bottom":
        text = "The image is upside down, with the probe at the bottom: it was turned over to be measured."
        warnings.append(CodedWarning("upside_down", text))
    if sector.second is not None:
        one, other = sector.box, sector.second
        across = abs(one.x0 + one.x1 - other.x0 - other.x1) >= abs(one.y0 + one.y1 - other.y0 - other.y1)
        first = one.x0 < other.x0 if across else one.y0 < other.y0
        place = ("left" if first else "right") if across else ("upper" if first else "lower")
        text = (
            f"There are two ultrasound sectors in the image; the {place} one was measured. To measure the other one, crop "
            "the clip to it."
        )
        warnings.append(CodedWarning("two_sectors", text))
    return tuple(warnings)


def check_ventricle(
    source: str,
    traced: NDArray[np.bool_],
    wall_contact: NDArray[np.float64],
    thresholds: Thresholds,
    *,
    walls_known: bool = True,
) -> tuple[CodedWarning, ...]:
    """Refuse clips in which no ventricle was found, warn where it is doubtful.

    Args:
        source: File name for the message.
        traced: ``(n,)`` whether a ventricle could be traced.
        wall_contact: ``(n,)`` from :func:`wall_contact`, NaN where not measured.
        thresholds: Limits of both.
        walls_known: Whether the network segments walls; where it does not, a warning says what was not checked.

    Returns:
        Warnings.

    Raises:
        QualityRefusal: ``no_ventricle``.
    """
    fraction = float(traced.mean())
    contact = float(np.nanmedian(wall_contact)) if np.isfinite(wall_contact).any() else 0.0
    if fraction < thresholds.min_traced_share:
        raise QualityRefusal(
            "no_ventricle",
            f"{source}: a left ventricle was found on {traced.sum()} of {len(traced)} frames; an apical four- or "
            "two-chamber cine was expected. Check the view, or crop the clip to the ultrasound image.",
        )
    if walls_known and contact < thresholds.min_wall_contact:
        raise QualityRefusal(
            "no_ventricle",
            f"{source}: what looks like a ventricle has wall around only {contact:.0%} of its border; an apical "
            "four- or two-chamber cine was expected. Check the view.",
        )
    notices = []
    if fraction < thresholds.caution_traced_share:
        text = f"No ventricle could be traced on {(~traced).sum()} of {len(traced)} frames."
        notices.append(CodedWarning("untraced_frames", text))
    if not walls_known:
        text = "The model does not segment the myocardium: the wall around the cavity was not checked. Check the contour."
        notices.append(CodedWarning("walls_not_checked", text))
    elif contact < thresholds.caution_wall_contact:
        text = (
            f"Only {contact:.0%} of the cavity border touches myocardium or atrium: check the contour by eye."
        )
        notices.append(CodedWarning(WEAK_WALLS, text))
    return tuple(notices)


def check_combined(source: str, notices: Sequence[CodedWarning]) -> None:
    """Refuse clips whose warnings, each harmless alone, together say that the contours, not the heart, make the curve.

    Args:
        source: File name for the message.
        notices: All warnings of the measurement.

    Raises:
        QualityRefusal: ``doubtful_contours``, weak walls and unsteady beats at once.
    """
    by_code = {notice.code: notice.text for notice in notices}
    unsteady = next((by_code[code] for code in UNSTEADY if code in by_code), None)
    if WEAK_WALLS not in by_code or unsteady is None:
        return
    weak = by_code[WEAK_WALLS].partition(":")[0]
    raise doubtful_contours(
        f"{source}: {weak[0].lower()}{weak[1:]}; in addition, {unsteady[0].lower()}{unsteady[1:].rstrip('.')}. "
        "Where walls are hardly visible, errors of the contour can look like beats: no EF is given."
    )


def check_heart_rate(clip: Clip, found_bpm: float | None) -> tuple[CodedWarning, ...]:
    """Warn where the heart rate that the file states and the beats that were found cannot both be right.

    Args:
        clip: The clip.
        found_bpm: Heart rate of the complete beats that were found, or None without any.
    """
    stated_bpm = clip.heart_rate_bpm
    duration = float(clip.times_s[-1])
    if stated_bpm is None:
        return ()
    if found_bpm is not None:
        if abs(found_bpm / stated_bpm - 1) <= MAX_RATE_DIFFERENCE:
            return ()
        seen = f"the beats found come at {found_bpm:.0f}/min"
    elif duration * stated_bpm / 60 >= MIN_PERIODS:
        seen = f"in {duration:.1f} s no complete beat was found, where {int(duration * stated_bpm / 60)} were expected"
    else:
        return ()
    text = (
        f"The file states {stated_bpm:.0f}/min, but {seen}: its frame times or its heart rate are wrong. "
        "Durations are uncertain."
    )
    return (CodedWarning("contradictory_heart_rate", text),)


def check_systole(
    clip: Clip, beats: Sequence[Beat], heart_rate_bpm: float | None
) -> tuple[CodedWarning, ...]:
    """Warn where systole has no length that a heart of this rate has: the frame rate is probably wrong.

    Args:
        clip: The clip; its times are questioned.
        beats: The beats that were found.
        heart_rate_bpm: Of the complete beats that were found, or None without any.
    """
    lengths = [clip.times_s[b.es_frame] - clip.times_s[b.ed_frame] for b in beats if b.counts]
    if heart_rate_bpm is None or not lengths:
        return ()
    found, expected = float(np.median(lengths)), SYSTOLE_AT_REST_S - SYSTOLE_PER_BPM_S * heart_rate_bpm
    if expected > 0 and SYSTOLE_RATIO[0] <= found / expected <= SYSTOLE_RATIO[1]:
        return ()
    usual = f", usually about {expected:.2f} s" if expected > 0 else ""
    text = (
        f"Systole lasts {found:.2f} s at {heart_rate_bpm:.0f}/min{usual}: the frame rate "
        f"({clip.frame_rate_hz or math.nan:.0f}/s) is probably wrong. The EF does not depend on it, durations and heart "
        "rate do."
    )
    return (CodedWarning("implausible_systole", text),)


def wall_contact(probabilities: NDArray[np.float32]) -> float:
    """Part of the cavity's border that touches wall or atrium, 0-1; NaN without a cavity.

    Pixels on the image's own edge or in the black beside it cannot touch anything and do count as missing.

    Args:
        probabilities: ``(4, h, w)`` of :class:`lvef.core.terms.Structure`.
    """
    # As by the largest of the four, many times as fast as by argmax.
    outside = probabilities[2:].max(axis=0) > probabilities[:2].max(axis=0)
    cavity = ((probabilities[1] > probabilities[0]) & ~outside).astype(np.uint8)
    ring = cv2.dilate(cavity, np.ones((5, 5), np.uint8)) > cavity
    return float(outside[ring].mean()) if ring.any() else float("nan")


def border_certainty(probabilities: NDArray[np.float32]) -> float:
    """Mean probability of the most probable class along the cavity's border, 0-1; NaN without a cavity.

    On the border itself two classes are equally probable; three pixels to either side a certain model has decided.

    Args:
        probabilities: ``(4, h, w)`` of :class:`lvef.core.terms.Structure`.
    """
    top = probabilities.max(axis=0)
    cavity = (probabilities[1] == top).astype(np.uint8)
    side = np.ones((2 * CERTAINTY_REACH_PX + 1,) * 2, np.uint8)
    ring = cv2.dilate(cavity, side) != cv2.erode(cavity, side)
    return float(top[ring].mean()) if ring.any() else float("nan")


def _neighbour_correlation(frame: NDArray[np.uint8], sector: Sector) -> float:
    """Correlation of pixels with their right and lower neighbours inside the sector's box, the smaller of the two."""
    b = sector.box
    cut: FrameArray = frame[b.y0 : b.y1, b.x0 : b.x1]
    x = cut.astype(np.float64)
    if x.std() == 0:
        return 1.0
    across = np.corrcoef(x[:, :-1].ravel(), x[:, 1:].ravel())[0, 1]
    down = np.corrcoef(x[:-1].ravel(), x[1:].ravel())[0, 1]
    return float(min(across, down))


def with_line_warnings(
    measurement: Measurement, traced: TracedFrames, ed: int | None, es: int | None
) -> Measurement:
    """With what is wrong with the network's own lines, those of ED and ES among them; nothing for other networks.

    Args:
        measurement: With the counts of the network's output.
        traced: That output.
        ed: End-diastolic frame, or None.
        es: End-systolic frame, or None.
    """
    if not measurement.counts:
        return measurement
    counts = measurement.counts | {"es_above_ed": int(_es_above_ed(traced.tracings, ed, es))}
    return replace(measurement, counts=counts, notices=(*measurement.notices, *_line_warnings(counts)))


def _line_warnings(counts: dict[str, int]) -> tuple[CodedWarning, ...]:
    """What a reader should know of the lines as they came."""
    notices = []
    crossing, off = counts.get("frames_with_crossing_chords", 0), counts.get("frames_with_lines_off_axis", 0)
    if crossing or off:
        text = (
            f"Of {counts['frames']} frames, {crossing} have chords that cross each other and {off} have chords that do "
            "not lie across the long axis: look at the clip."
        )
        notices.append(CodedWarning("line_faults", text))
    if counts.get("es_above_ed"):
        text = "As the model drew them, the ventricle is larger at ES than at ED; only smoothed over time it is not."
        notices.append(CodedWarning("es_above_ed_lines", text))
    return tuple(notices)


def _es_above_ed(tracings: tuple[Tracing | None, ...], ed: int | None, es: int | None) -> bool:
    """Whether the ventricle as it was drawn is larger at ES than at ED: a negative EF, before any guard acts."""
    pair = [None if frame is None else tracings[frame] for frame in (ed, es)]
    if pair[0] is None or pair[1] is None:
        return False
    return volume_of_tracing(pair[1]) > volume_of_tracing(pair[0])
