"""The decision on a measurement (accepted, caution, refused) by the thresholds in `lvef.measure.thresholds`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lvef.core.records import CodedWarning, Measurement
from lvef.core.terms import Decision, Status
from lvef.core.wording import MODELS_DISAGREE
from lvef.measure.interval import without_interval
from lvef.measure.shape_checks import CONTOURS_REMEDY, implausible_shortening
from lvef.measure.thresholds import Thresholds

SHORTENING = "implausible_shortening"
"""Code of the warning."""


def with_shortening_warning(measurement: Measurement) -> Measurement:
    """The measurement, with a warning where its ventricle is far shorter at ES than at ED: frames that a user chose.

    Args:
        measurement: With its volume curve, and with the ED and ES frame that are shown.
    """
    m = measurement
    if m.curve is None or m.ed_frame is None or m.es_frame is None:
        return m
    found = implausible_shortening(m.curve.length, m.ed_frame, m.es_frame)
    if not found:
        return m
    text = f"{found[0].upper()}{found[1:]}. Check the contours before you use the EF."
    return replace(m, notices=(*m.notices, CodedWarning(SHORTENING, text)))


TOO_UNCERTAIN = "too_uncertain"
"""Code of the refusal where the prediction interval is too wide for an EF to be of use."""

WIDE_INTERVAL, NO_INTERVAL = "wide_interval", "no_interval"
"""Codes of the warnings that the prediction interval is wide, and that there is none."""

CAUTION_CODES = frozenset(
    {
        "beats_disagree",
        "cut",
        "es_above_ed_lines",
        "experimental_network",
        "faint_contraction",
        "few_new_frames",
        "frame_order",
        "implausible_shape",
        "implausible_systole",
        SHORTENING,
        "likely_copies",
        "line_faults",
        MODELS_DISAGREE,
        NO_INTERVAL,
        "no_whole_beat",
        "two_sectors",
        "untraced_frames",
        "ventricle_not_checked",
        "view_changes",
        "view_contradicts_image",
        "view_not_checked",
        "view_unsure",
        "views_disagree",
        "walls_not_checked",
        "weak_walls",
        "zoom_changes",
        WIDE_INTERVAL,
    }
)
"""Warnings that lead to caution: the contours must be checked before the EF is used. The others concern time, scale or
file. Without a complete beat 2 % of 2011 simulated clips, which show diastole alone, have an EF that is more than 10 points
wrong; of 1189 with one none (``python -m studies.short_clips``). Stills do not have this warning."""


def decide(measurement: Measurement, thresholds: Thresholds) -> Decision:
    """Whether the EF of a measurement may be used.

    Args:
        measurement: With its warnings, and its prediction interval where it has one.
        thresholds: The thresholds.

    Returns:
        ``REFUSED`` without an EF, or where the prediction interval is wider than `Thresholds.max_interval_points`.
        ``CAUTION`` where it is wide or there is none, or where a warning is one of `CAUTION_CODES`.
    """
    width = interval_width(measurement)
    if measurement.ef_percent is None or (width is not None and width > thresholds.max_interval_points):
        return Decision.REFUSED
    warned = any(notice.code in CAUTION_CODES for notice in measurement.notices)
    if warned or width is None or width > thresholds.caution_interval_points:
        return Decision.CAUTION
    return Decision.ACCEPTED


def with_decision(
    measurement: Measurement, thresholds: Thresholds, views: Mapping[str, Measurement] | None = None
) -> Measurement:
    """The measurement with its decision, the thresholds in use, and a warning or a refusal with the reason.

    A result that a reader corrected gets no decision: the reader has made it.

    Args:
        measurement: Any; with its prediction interval where it has one.
        thresholds: The thresholds.
        views: The views of a biplane study, with their decisions: if one has caution, so has the study.
    """
    m = measurement
    if m.correction is not None or m.status is Status.FAILED:
        return m
    width, limits = interval_width(m), thresholds.as_numbers()
    decision = decide(m, thresholds)
    if m.ef_percent is None:
        return replace(m, decision=str(decision), thresholds=limits)
    if decision is Decision.REFUSED:
        return replace(
            without_ef(m),
            reason=f"{m.source}: no EF is given because it is too uncertain: its {_percent(m)} prediction interval is "
            f"{width:.0f} points wide ({_ends(m)}); at most {thresholds.max_interval_points:g} points are allowed. "
            + CONTOURS_REMEDY,
            reason_code=TOO_UNCERTAIN,
            decision=str(decision),
            thresholds=limits,
        )
    notices = list(m.notices)
    if width is None:
        notices.append(CodedWarning(NO_INTERVAL, f"No prediction interval: {m.interval_note}"))
    elif width > thresholds.caution_interval_points:
        text = f"The {_percent(m)} prediction interval is wide ({_ends(m)}): check the contours before you use the EF."
        notices.append(CodedWarning(WIDE_INTERVAL, text))
    of_views = [view.decision for view in (views or {}).values()]
    if Decision.CAUTION in of_views:
        decision = Decision.CAUTION
    return replace(m, notices=tuple(notices), decision=str(decision), thresholds=limits)


def interval_width(measurement: Measurement) -> float | None:
    """Width of the prediction interval in EF points; None without one."""
    m = measurement
    if m.ef_low_percent is None or m.ef_high_percent is None:
        return None
    return m.ef_high_percent - m.ef_low_percent


def without_ef(measurement: Measurement) -> Measurement:
    """A refused measurement: curve, contours and beats are kept, EF, volumes and what follows from them are not."""
    return replace(
        without_interval(measurement, measurement.interval_note),
        status=Status.REFUSED,
        ef_percent=None,
        edv_ml=None,
        esv_ml=None,
        stroke_volume_ml=None,
        ef_mean_percent=None,
        ef_sd_percent=None,
        beats_averaged=None,
        indexed={},
        categories={},
    )


def _percent(measurement: Measurement) -> str:
    return f"{100 * (measurement.interval_level or 0):.0f} %"


def _ends(measurement: Measurement) -> str:
    return f"{measurement.ef_low_percent:.0f} to {measurement.ef_high_percent:.0f} %"
