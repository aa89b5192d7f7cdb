"""Frame times of a DICOM cine: the attribute that Frame Increment Pointer names rules, the others stand in and are compared.

Source: DICOM PS3.3, C.7.6.5 (Cine Module) and C.7.6.6 (Multi-frame Module).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID

from lvef.core.errors import QualityRefusal
from lvef.core.records import CodedWarning, FloatArray
from lvef.io.dicom_header import float_value, float_values, text_value
from lvef.io.timing import (
    Timing,
    assumed_timing,
    bad_rate_notice,
    clock_notice,
    contradicts_times,
    even_times,
    gap_notices,
    is_plausible_rate,
    is_plausible_times,
    usual_rate_hz,
)

TIMING_KEYWORDS = (
    "FrameTime",
    "FrameTimeVector",
    "CineRate",
    "EffectiveDuration",
    "RecommendedDisplayFrameRate",
)
"""Attributes that hold frame times, the most trustworthy first; the last is for playback."""

_VOLUMES = (
    *("2", "2.1", "2.2", "4", "4.1", "4.3", "4.4", "6.2", "13.1.1", "13.1.2", "13.1.3", "13.1.4", "13.1.5"),
    *("14.1", "14.2", "20", "30", "66.4", "77.1.5.4", "77.1.6", "128", "128.1", "130", "481.2"),
)
VOLUMES = frozenset(f"1.2.840.10008.5.1.4.1.1.{end}" for end in _VOLUMES)
"""Storage classes whose frames are slices, projections or parts of a whole: Enhanced US Volume, CT, MR, PET, NM, tomography,
maps, segmentations, dose. Source: DICOM PS3.4, table B.5-1."""

SLICE_MODALITIES = frozenset({"CT", "MR", "NM", "PT", "MG", "OPT", "SM", "RTDOSE", "SEG"})
"""Modalities (0008,0060) whose many frames are slices or projections where the storage class does not say so."""

MIN_CUMULATIVE = 4
"""With fewer values of a vector, times cannot be distinguished from steps between frames."""

MAX_REPAIRED = 0.5
"""A vector with at least this part of steps that are not positive is ignored."""

_NAMES = {
    "FrameTime": "Frame Time (0018,1063)",
    "FrameTimeVector": "Frame Time Vector (0018,1065)",
    "CineRate": "Cine Rate (0018,0040)",
    "EffectiveDuration": "Effective Duration (0018,0072)",
    "RecommendedDisplayFrameRate": "Recommended Display Frame Rate (0008,2144)",
}
_POINTERS = {0x00181063: "FrameTime", 0x00181065: "FrameTimeVector"}
_OTHER_TIMES = frozenset({0x00181060, 0x00181066, 0x00181068, 0x00540070, 0x00540100, 0x00209153, 0x00186060})
"""Trigger Time, Frame Delay, Image Trigger Delay, Time Slot Vector, Time Slice Vector, Nominal Cardiac Trigger Delay Time, R
Wave Time Vector: kinds of time from which no frame times are read here."""

_UNITS = ((1000.0, "seconds"), (0.001, "microseconds"))


def check_frames_follow_in_time(dataset: Dataset, n_frames: int, source: str) -> None:
    """Refuse a volume or a stack of slices.

    Args:
        dataset: The header.
        n_frames: Number of frames in the data.
        source: The file's name as the user gave it.

    Raises:
        QualityRefusal: ``volume``.
    """
    if n_frames < 2:
        return
    storage = UID(
        text_value(dataset, "SOPClassUID")
        or text_value(getattr(dataset, "file_meta", Dataset()), "MediaStorageSOPClassUID")
    )
    modality = text_value(dataset, "Modality")
    pointed = _pointed(dataset)
    timeless = [tag for tag in pointed if tag not in _POINTERS and tag not in _OTHER_TIMES]
    timed = any(float_values(dataset, keyword) for keyword in TIMING_KEYWORDS)
    found = ""
    if storage in VOLUMES:
        found = f"its kind is {storage.name}"
    elif modality in SLICE_MODALITIES:
        found = f"its modality is {modality}"
    elif any(_is_standard(tag) for tag in timeless) or (timeless and not timed):
        found = f"its frames differ in {_name_of(timeless[0])}, not in time"
    elif not timed and not pointed and float_values(dataset, "SpacingBetweenSlices"):
        found = "it has a spacing between slices and no frame times"
    if found:
        raise QualityRefusal(
            "volume",
            f"{source} is a volume or a stack of slices, not a cine ({found}); a 2-D apical cine was expected. Export "
            "the apical view as a cine.",
        )


def frame_times(dataset: Dataset, n_frames: int, container: Timing | None = None) -> Timing:
    """Return the times of the frames.

    Args:
        dataset: The header.
        n_frames: Number of frames that were decoded.
        container: Times of an enclosed video stream, used when the header has none.

    Returns:
        Times in seconds; ``source`` is the attribute's keyword, ``"container"``, ``"average_rate"``,
        ``"assumed"`` or ``"still"``. Values that cannot be right are ignored with a warning;
        contradictions are reported as ``contradictory_rate``.
    """
    if n_frames == 1:
        return Timing(np.zeros(1), "still")
    stated = [(keyword, *_times(dataset, keyword, n_frames)) for keyword in _order(dataset)]
    problems = tuple(notice for _, times, notices in stated if times is None for notice in notices)
    usable = [(keyword, times, notices) for keyword, times, notices in stated if times is not None]
    if not usable:
        if container is not None and container.source != "assumed":
            return Timing(container.times_s, container.source, (*problems, *container.notices))
        for keyword in ("FrameTime", "FrameTimeVector"):
            times, notices = _in_another_unit(dataset, keyword, n_frames)
            if times is not None:
                return Timing(times, keyword, (*problems, *notices))
        return assumed_timing(n_frames, problems)
    keyword, times, notices = usable[0]
    if keyword == "RecommendedDisplayFrameRate":
        text = "Times come from Recommended Display Frame Rate, a playback rate, maybe not the true one."
        notices = (*notices, CodedWarning("display_frame_rate", text))
    others = [(name, other) for name, other, _ in usable[1:]]
    if container is not None and container.source in ("container", "average_rate"):
        others.append(("", container.times_s))
    contradictions = _contradictions(keyword, times, others)
    return Timing(times, keyword, (*problems, *notices, *contradictions, *gap_notices(times)))


def read_r_wave_times(dataset: Dataset, times_s: FloatArray) -> tuple[float, ...]:
    """Return R Wave Time Vector (0018,6060) in seconds from the first frame, within the clip, rising."""
    found = [value / 1000.0 for value in float_values(dataset, "RWaveTimeVector")]
    return tuple(sorted({t for t in found if 0.0 <= t <= float(times_s[-1])}))


def _pointed(dataset: Dataset) -> list[int]:
    pointer = dataset.get("FrameIncrementPointer")
    tags = pointer if isinstance(pointer, list | tuple) or hasattr(pointer, "__iter__") else [pointer]
    return [int(tag) for tag in tags if isinstance(tag, int)]


def _is_standard(tag: int) -> bool:
    """Whether the attribute is in the DICOM dictionary: private ones do not show that frames are slices."""
    from pydicom.datadict import dictionary_has_tag

    return dictionary_has_tag(tag)


def _name_of(tag: int) -> str:
    from pydicom.datadict import dictionary_description

    shown = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return f"{dictionary_description(tag)} {shown}" if _is_standard(tag) else f"the attribute {shown}"


def _order(dataset: Dataset) -> list[str]:
    named = [_POINTERS[tag] for tag in _pointed(dataset) if tag in _POINTERS]
    return list(dict.fromkeys([*named, *TIMING_KEYWORDS]))


def _times(
    dataset: Dataset, keyword: str, n_frames: int
) -> tuple[FloatArray | None, tuple[CodedWarning, ...]]:
    name = _NAMES[keyword]
    if keyword == "FrameTimeVector":
        return _vector_times(float_values(dataset, keyword), n_frames)
    value = float_value(dataset, keyword)
    if value is None:
        return None, ()
    if keyword == "EffectiveDuration" and value <= 0:  # what scanners write that do not know it
        return None, ()
    unit = {"FrameTime": "ms", "EffectiveDuration": "s"}.get(keyword, "Hz")
    step = {"ms": value / 1000.0, "s": value / n_frames, "Hz": 1.0 / value if value else 0.0}[unit]
    rate_hz = 1.0 / step if step else 0.0
    if is_plausible_rate(rate_hz):
        return even_times(n_frames, rate_hz), ()
    return None, (bad_rate_notice(name, f"{value:g} {unit}"),)


def _vector_times(values: list[float], n_frames: int) -> tuple[FloatArray | None, tuple[CodedWarning, ...]]:
    """Times of Frame Time Vector: the step to each frame from the one before, in milliseconds, the first 0."""
    name, n = _NAMES["FrameTimeVector"], len(values)
    if not n:
        return None, ()
    if n < n_frames - 1:
        text = f"{name} has {n} values for {n_frames} frames and is ignored."
        return None, (CodedWarning("bad_timing", text),)
    notices = []
    if n == n_frames - 1:
        text = f"{name} has {n} values for {n_frames} frames: they are taken as the steps between these."
        notices.append(CodedWarning("time_vector", text))
        values = [0.0, *values]
    elif n > n_frames:
        text = f"{name} has {n} values for {n_frames} frames: the first {n_frames} are used."
        notices.append(CodedWarning("time_vector", text))
    steps = np.array(values[:n_frames])
    if _is_cumulative(steps):
        text = f"{name} holds times that rise from frame to frame, not steps: they are taken as times."
        notices.append(CodedWarning("time_vector", text))
        steps = np.diff(steps, prepend=steps[0])
    steps = steps[1:] / 1000.0
    wrong = int((steps <= 0).sum())
    if 0 < wrong < MAX_REPAIRED * len(steps):
        text = f"{wrong} of the {len(steps)} steps in {name} are not above 0: the median of the others is assumed."
        notices.append(CodedWarning("bad_timing", text))
        steps[steps <= 0] = np.median(steps[steps > 0])
    times = np.concatenate(([0.0], np.cumsum(steps)))
    if is_plausible_times(times):
        return times, tuple(notices)
    return None, (bad_rate_notice(name, f"{1000 * steps.min():g} to {1000 * steps.max():g} ms"),)


def _is_cumulative(values: FloatArray) -> bool:
    """Whether a vector's values are times: they rise throughout, and the steps vary less than the values."""
    steps = np.diff(values)
    if len(values) < MIN_CUMULATIVE or (steps <= 0).any():
        return False
    later = values[1:]
    return bool(steps.max() / steps.min() < later.max() / max(float(later.min()), 1e-9))


def _in_another_unit(
    dataset: Dataset, keyword: str, n_frames: int
) -> tuple[FloatArray | None, tuple[CodedWarning, ...]]:
    """Times read as seconds or microseconds where they cannot be milliseconds."""
    values = float_values(dataset, keyword)
    for factor, unit in _UNITS if values else ():
        scaled = [value * factor for value in values]
        times: FloatArray | None = None
        notices: tuple[CodedWarning, ...] = ()
        if keyword == "FrameTimeVector":
            times, notices = _vector_times(scaled, n_frames)
        elif scaled[0] > 0 and is_plausible_rate(1000.0 / scaled[0]):
            times = even_times(n_frames, 1000.0 / scaled[0])
        if times is not None:
            text = f"{_NAMES[keyword]} cannot be in milliseconds: {unit} are assumed."
            return times, (*notices, clock_notice("time_unit", text))
    return None, ()


def _contradictions(
    used: str, times_s: FloatArray, others: list[tuple[str, FloatArray]]
) -> Iterator[CodedWarning]:
    """A warning for each other statement of the rate that is neither the usual nor the mean rate of the times used."""
    usual_hz = usual_rate_hz(times_s)
    for keyword, other in others:
        if len(other) < 2:
            continue
        rate = usual_rate_hz(other)
        # Whole numbers of Hz and durations of n - 1 steps are not meant more exactly.
        if abs(rate - usual_hz) <= 1.0 or not contradicts_times(rate, times_s):
            continue
        other_name = _NAMES[keyword] if keyword else "The video stream"
        text = f"{_NAMES[used]} gives {usual_hz:.4g} Hz, {other_name} {rate:.4g} Hz: the former is used."
        yield clock_notice("contradictory_rate", text)
