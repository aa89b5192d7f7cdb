"""Faults of the lines that a volume-trace model draws, as warnings of a measurement."""

from __future__ import annotations

from dataclasses import replace

from lvef.core.records import CodedWarning, Measurement, Tracing
from lvef.geometry.simpson import volume_of_tracing
from lvef.measure.predictor import TracedFrames


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
        notices.append(
            CodedWarning(
                "line_faults",
                f"Of {counts['frames']} frames, {crossing} have chords that cross each other and {off} have chords that do "
                "not lie across the long axis: look at the clip.",
            )
        )
    if counts.get("es_above_ed"):
        notices.append(
            CodedWarning(
                "es_above_ed_lines",
                "As the model drew them, the ventricle is larger at ES than at ED; only smoothed over time it is not.",
            )
        )
    return tuple(notices)


def _es_above_ed(tracings: tuple[Tracing | None, ...], ed: int | None, es: int | None) -> bool:
    """Whether the ventricle as it was drawn is larger at ES than at ED: a negative EF, before any guard acts."""
    pair = [None if frame is None else tracings[frame] for frame in (ed, es)]
    if pair[0] is None or pair[1] is None:
        return False
    return volume_of_tracing(pair[1]) > volume_of_tracing(pair[0])
