"""Frame times of a DICOM cine: the attribute that Frame Increment Pointer names rules, the others stand in.

Source: DICOM PS3.3, C.7.6.5 (Cine Module) and C.7.6.6 (Multi-frame Module).
"""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from lvef.core.records import FloatArray, Notice
from lvef.io.dicom_values import number, numbers
from lvef.io.timing import (
    Timing,
    assumed_timing,
    bad_rate_notice,
    even_times,
    plausible_rate,
    plausible_times,
)

TIMING_KEYWORDS = ("FrameTime", "FrameTimeVector", "CineRate", "RecommendedDisplayFrameRate")
"""Attributes that tell frame times, the most trustworthy first; the last is for playback."""

_NAMES = {
    "FrameTime": "Frame Time (0018,1063)",
    "FrameTimeVector": "Frame Time Vector (0018,1065)",
    "CineRate": "Cine Rate (0018,0040)",
    "RecommendedDisplayFrameRate": "Recommended Display Frame Rate (0008,2144)",
}
_POINTERS = {0x00181063: "FrameTime", 0x00181065: "FrameTimeVector"}


def frame_times(dataset: Dataset, n_frames: int, container: Timing | None = None) -> Timing:
    """Return the times of the frames.

    Args:
        dataset: The header.
        n_frames: Number of frames that were decoded.
        container: Times of an enclosed video stream, used when the header has none.

    Returns:
        Times in seconds; ``source`` is the attribute's keyword, ``"container"``, ``"average_rate"``,
        ``"assumed"`` or ``"still"``. Values that cannot be right are passed over with a notice.
    """
    if n_frames == 1:
        return Timing(np.zeros(1), "still")
    notices: list[Notice] = []
    for keyword in _order(dataset):
        times, problem = _times(dataset, keyword, n_frames)
        if problem is not None:
            notices.append(problem)
        if times is None:
            continue
        if keyword == "RecommendedDisplayFrameRate":
            text = "Times come from Recommended Display Frame Rate, a playback rate, maybe not the true one."
            notices.append(Notice("display_frame_rate", text))
        return Timing(times, keyword, tuple(notices))
    if container is not None and container.source != "assumed":
        return Timing(container.times_s, container.source, (*notices, *container.notices))
    return assumed_timing(n_frames, tuple(notices))


def r_wave_times(dataset: Dataset, times_s: FloatArray) -> tuple[float, ...]:
    """Return R Wave Time Vector (0018,6060) in seconds from the first frame, within the clip, rising."""
    found = [value / 1000.0 for value in numbers(dataset, "RWaveTimeVector")]
    return tuple(sorted({t for t in found if 0.0 <= t <= float(times_s[-1])}))


def _order(dataset: Dataset) -> list[str]:
    pointer = dataset.get("FrameIncrementPointer")
    tags = pointer if isinstance(pointer, list | tuple) or hasattr(pointer, "__iter__") else [pointer]
    named = [_POINTERS[int(tag)] for tag in tags if isinstance(tag, int) and int(tag) in _POINTERS]
    return list(dict.fromkeys([*named, *TIMING_KEYWORDS]))


def _times(dataset: Dataset, keyword: str, n_frames: int) -> tuple[FloatArray | None, Notice | None]:
    name = _NAMES[keyword]
    if keyword == "FrameTimeVector":
        steps = numbers(dataset, keyword)
        if not steps:
            return None, None
        if len(steps) < n_frames:
            text = f"{name} has {len(steps)} values for {n_frames} frames and is passed over."
            return None, Notice("bad_timing", text)
        times = np.concatenate(([0.0], np.cumsum(steps[1:n_frames]) / 1000.0))
        if plausible_times(times):
            return times, None
        return None, bad_rate_notice(name, f"{min(steps[1:n_frames]):g} to {max(steps[1:n_frames]):g} ms")
    value = number(dataset, keyword)
    if value is None:
        return None, None
    unit = "ms" if keyword == "FrameTime" else "Hz"
    rate_hz = value if unit == "Hz" else (1000.0 / value if value else 0.0)
    if plausible_rate(rate_hz):
        return even_times(n_frames, rate_hz), None
    return None, bad_rate_notice(name, f"{value:g} {unit}")
