"""Single-frame DICOM files of one series as a cine: one that was exported frame by frame, told from pictures of a study.

Source: DICOM PS3.3, C.7.3.1 (General Series), C.7.6.1 (General Image: Instance Number, acquisition and content times) and
C.8.5.6 (US Image: Trigger Time).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from lvef.core.errors import DataError, QualityRefusal
from lvef.core.records import Clip, CodedWarning, FloatArray, shape_of
from lvef.io.dicom import read_dicom, read_header
from lvef.io.dicom_layout import count_frames
from lvef.io.dicom_timing import check_frames_follow_in_time, frame_times
from lvef.io.dicom_values import number, numbers, quiet_pydicom, text
from lvef.io.formats import DICOM, HEAD_BYTES, detect_format
from lvef.io.limits import MAX_FRAMES, MAX_PIXELS, check_size
from lvef.io.series import MIN_CORRELATION, MIN_FRAMES, REFUSED, likeness
from lvef.io.timing import (
    DEFAULT_FRAME_RATE_HZ,
    Timing,
    assumed_timing,
    contradicts,
    gap_notices,
    plausible_times,
)

_DAY_S = 86400.0
_CLOCK = re.compile(r"(\d{2})(\d{2})(\d{2}(?:\.\d{1,6})?)")
_TIMES = ("TriggerTime", "AcquisitionDateTime", "AcquisitionTime")
"""What tells the time of a frame, the most exact first."""

_MADE = "ContentTime"
"""When a picture was made, maybe by an export: counts where nothing else tells times, with a warning."""


@dataclass(frozen=True, slots=True)
class Instance:
    """What the header of a single frame tells of its place in a cine.

    Attributes:
        path: The file.
        series: Series Instance UID, empty where it does not tell.
        study: Study Instance UID.
        patient: Patient ID and its issuer, to be compared and never to be shown.
        identity: SOP Instance UID.
        number: Instance Number, or None.
        times_s: Its times by attribute, on clocks of their own.
        header: The header without pixels.
    """

    path: Path
    series: str
    study: str
    patient: str = field(repr=False)
    identity: str
    number: int | None
    times_s: dict[str, float]
    header: Dataset = field(repr=False)


def single_instances(files: Iterable[Path]) -> list[Instance]:
    """Return those of the files that are DICOM pictures of one frame, with what their headers tell."""
    return [instance for path in files if (instance := _instance(path)) is not None]


def read_instances(
    instances: Sequence[Instance],
    source: str,
    *,
    max_frames: int = MAX_FRAMES,
    max_pixels: int = MAX_PIXELS,
) -> Clip:
    """Read single-frame DICOM files of one folder as the frames of a cine.

    Args:
        instances: From `single_instances`.
        source: The folder's name as the user gave it.
        max_frames: Most frames allowed.
        max_pixels: Most pixels allowed over all frames together.

    Returns:
        The clip, in the order of its times or instance numbers. ``timing`` is the attribute that tells the times, or
        ``"assumed"``.

    Raises:
        QualityRefusal: ``stills``, when they are of several series or do not follow each other; ``volume``, when they are
            slices.
        DicomError: when one cannot be decoded.
    """
    chosen, notices = _one_series(instances, source)
    check_frames_follow_in_time(chosen[0].header, len(chosen), source)
    _check_one_plane(chosen, source)
    ordered, timing = _in_time(chosen, source)
    clips = list(_frames(ordered, source, max_frames, max_pixels))
    frames = np.concatenate([clip.frames for clip in clips])
    alike = likeness(frames)
    if alike < MIN_CORRELATION:
        raise QualityRefusal(
            REFUSED,
            f"{source} holds {len(clips)} single-frame DICOM files of one series that do not follow each other (neighbours "
            f"correlate by {alike:.2f}, frames of a cine by {MIN_CORRELATION} or more): they are stills. Give a cine, or an "
            "ED and an ES still with --ed FILE --es FILE.",
        )
    first = clips[0]
    told = f"{len(clips)} single-frame DICOM files of one series are read as a cine."
    met = dict.fromkeys(notice for clip in clips for notice in clip.notices)
    chroma = [clip.chroma for clip in clips if clip.chroma is not None]
    clip = replace(
        first,
        frames=frames,
        times_s=timing.times_s,
        timing=timing.source,
        source=source,
        chroma=np.max(chroma, axis=0) if chroma else None,
        notices=(CodedWarning("series_of_stills", told), *notices, *met, *timing.notices),
    )
    if any(other.spacing != first.spacing or other.region != first.region for other in clips):
        note = "The files of the series tell different scales or regions: none of them is used."
        shape = shape_of(first.spacing) if all(c.pixel_aspect == first.pixel_aspect for c in clips) else None
        clip = replace(clip, spacing=shape, spacing_note=note, region=None, other_regions=())
    return clip


def _instance(path: Path) -> Instance | None:
    try:
        with path.open("rb") as file:
            if detect_format(file.read(HEAD_BYTES)) is not DICOM:
                return None
            file.seek(0)
            with quiet_pydicom():
                header = read_header(file, os.fspath(path))
                if count_frames(header, file)[0] != 1:
                    return None
                found = {name: at for name in (*_TIMES, _MADE) if (at := _time_s(header, name)) is not None}
                order = number(header, "InstanceNumber")
                series, study, identity, patient, issuer = (
                    text(header, keyword)
                    for keyword in (
                        *("SeriesInstanceUID", "StudyInstanceUID", "SOPInstanceUID"),
                        *("PatientID", "IssuerOfPatientID"),
                    )
                )
    except (DataError, OSError):  # it is measured on its own, and says then what is wrong
        return None
    place = None if order is None else int(order)
    return Instance(path, series, study, f"{issuer}/{patient}", identity, place, found, header)


def _time_s(header: Dataset, name: str) -> float | None:
    """Seconds on the attribute's own clock."""
    if name == "TriggerTime":
        value = number(header, name)
        return None if value is None else value / 1000.0
    stated = text(header, name)
    day, clock = (stated[:8], stated[8:]) if name.endswith("DateTime") else ("", stated)
    found = _CLOCK.match(clock)
    if found is None:
        return None
    days = np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}").astype(int) if re.fullmatch(r"\d{8}", day) else 0
    return float(days) * _DAY_S + 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3])


def _one_series(instances: Sequence[Instance], source: str) -> tuple[list[Instance], list[CodedWarning]]:
    """The instances of the only series that is long enough, each once."""
    series: dict[str, dict[str, Instance]] = {}
    twice = 0
    for instance in instances:
        known = series.setdefault(instance.series, {})
        twice += bool(instance.identity) and instance.identity in known
        known.setdefault(instance.identity or os.fspath(instance.path), instance)
    long = {key: found for key, found in series.items() if key and len(found) >= MIN_FRAMES}
    if len(long) != 1:
        what = f"of {len(long)} series" if long else "of no series that would make a cine"
        mend = "put each series into a folder of its own" if long else "give a cine"
        raise QualityRefusal(
            REFUSED,
            f"{source} holds {len(instances)} single-frame DICOM files {what}: {mend}, or give an ED and an ES still with "
            "--ed FILE --es FILE.",
        )
    [chosen] = long.values()
    if len({instance.patient for instance in chosen.values()}) > 1:
        raise QualityRefusal(
            REFUSED,
            f"{source} holds {len(chosen)} single-frame DICOM files of one series but of several patients: they are no "
            "cine. Give each patient's files in a folder of their own.",
        )
    notices = []
    if len({instance.study for instance in chosen.values()}) > 1:
        told = "The files of the series name several studies: they are taken as one."
        notices.append(CodedWarning("contradictory_study", told))
    if twice:
        notices.append(
            CodedWarning(
                "same_instance", f"{twice} files hold a picture that is there already: they are left out."
            )
        )
    others = len(instances) - twice - len(chosen)
    if others:
        told = f"{others} single-frame DICOM files of the folder are of another series: they are left out."
        notices.append(CodedWarning("other_stills", told))
    return list(chosen.values()), notices


def _check_one_plane(instances: Sequence[Instance], source: str) -> None:
    """Refuse slices: pictures of one series at different places."""
    for keyword in ("ImagePositionPatient", "SliceLocation"):
        places = {tuple(numbers(instance.header, keyword)) for instance in instances}
        if len(places) > 1:
            raise QualityRefusal(
                "volume",
                f"{source} holds a stack of {len(instances)} slices, not a cine (their places differ); a 2-D apical cine "
                "was expected. Give the apical view as a cine.",
            )


def _in_time(instances: Sequence[Instance], source: str) -> tuple[list[Instance], Timing]:
    """The instances in order, and their times."""
    numbers_ = [instance.number for instance in instances]
    numbered = None not in numbers_ and len(set(numbers_)) == len(instances)
    by_number = sorted(instances, key=lambda instance: (instance.number or 0, instance.path.name))
    stated = frame_times(instances[0].header, len(instances)).source != "assumed"
    for name in _TIMES if numbered and stated else (*_TIMES, _MADE):
        if not all(name in instance.times_s for instance in instances):
            continue
        by_time = sorted(instances, key=lambda instance: instance.times_s[name])
        for order in (by_number, by_time) if numbered else (by_time,):
            times = np.array([instance.times_s[name] for instance in order])
            times -= times[0]
            if plausible_times(times):
                notices = _compared(order, times, name, numbered and order != by_number)
                return order, Timing(times, name, (*notices, *gap_notices(times)))
    if not numbered:
        raise QualityRefusal(
            REFUSED,
            f"{source} holds {len(instances)} single-frame DICOM files of one series whose instance numbers and times do "
            "not tell their order: export the clip as one multi-frame file.",
        )
    return by_number, _even(by_number)


def _even(ordered: Sequence[Instance]) -> Timing:
    """Times from the instance numbers, at the rate that the headers tell or that is assumed; missing ones leave a gap."""
    order = np.array([instance.number for instance in ordered], dtype=np.int64)
    steps = np.diff(order)
    places = (order - order[0]) / np.gcd.reduce(steps)
    told = frame_times(ordered[0].header, len(ordered))
    notices = told.notices
    if told.source == "assumed":
        told = assumed_timing(len(ordered))
        rate_hz = DEFAULT_FRAME_RATE_HZ
    else:
        rate_hz = 1.0 / float(np.median(np.diff(told.times_s)))
    missing = int(places[-1]) + 1 - len(ordered)
    if missing:
        text_ = f"{missing} instance numbers are missing between {order[0]} and {order[-1]}: their times are left free."
        notices = (CodedWarning("missing_frames", text_), *notices)
    return Timing(places / rate_hz, told.source, notices)


def _compared(
    order: Sequence[Instance], times_s: FloatArray, name: str, against_numbers: bool
) -> Iterator[CodedWarning]:
    if name == _MADE:
        told = "Times come from Content Time, which may be that of an export. Check heart rate and durations."
        yield CodedWarning("content_time", told)
    if against_numbers:
        told = f"{name} puts the files of the series in another order than their instance numbers: the times are used."
        yield CodedWarning("contradictory_order", told)
    told_rate = frame_times(order[0].header, len(order))
    if told_rate.source != "assumed":
        told_hz, found_hz = (1.0 / float(np.median(np.diff(t))) for t in (told_rate.times_s, times_s))
        if contradicts(told_hz, found_hz):
            text_ = (
                f"{name} gives {found_hz:.4g} Hz, {told_rate.source} {told_hz:.4g} Hz: the former is used."
            )
            yield CodedWarning("contradictory_rate", text_ + " Check heart rate and durations.")


def _frames(ordered: Sequence[Instance], source: str, max_frames: int, max_pixels: int) -> Iterator[Clip]:
    first: Clip | None = None
    for instance in ordered:
        clip = read_dicom(instance.path, max_pixels=max_pixels)
        first = first or clip
        height, width = clip.frames.shape[1:]
        check_size(source, len(ordered), height, width, max_frames=max_frames, max_pixels=max_pixels)
        if clip.frames.shape != first.frames.shape:
            raise QualityRefusal(
                REFUSED,
                f"{source}: {instance.path.name} has {width} x {height} pixels, the first file of the series "
                f"{first.frames.shape[2]} x {first.frames.shape[1]}: the frames of a cine are alike; they are stills.",
            )
        yield clip
