"""DICOM files to clips: one file with one frame or many, or the single-frame files of one series.

Nothing that names a person, place or date is read into a clip, a message or a log.

Source: DICOM PS3.3, C.7.3.1 (General Series), C.7.6.1 (General Image: Instance Number, acquisition and content times) and
C.8.5.6 (US Image: Trigger Time).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from lvef.core.errors import DataError, DicomError, QualityRefusal
from lvef.core.records import Clip, CodedWarning, FloatArray, shape_of
from lvef.io.dicom_frames import Payload, read_payload
from lvef.io.dicom_header import (
    float_value,
    float_values,
    int_value,
    quiet_pydicom,
    read_header,
    read_heart_rate_bpm,
    read_sex,
    read_tissue_scale,
    text_value,
)
from lvef.io.dicom_pixels import NATIVE_SYNTAXES, count_frames, decode_pixels, native_frame_bytes
from lvef.io.dicom_timing import check_frames_follow_in_time, frame_times, read_r_wave_times
from lvef.io.dicom_view import read_view
from lvef.io.formats import DICOM, format_of_file
from lvef.io.limits import DEFAULT_LIMITS, MAX_FILE_BYTES, SizeLimits, check_size, note_progress
from lvef.io.series import MIN_FRAMES, REFUSAL, check_frames_are_alike
from lvef.io.timing import (
    DEFAULT_FRAME_RATE_HZ,
    Timing,
    assumed_timing,
    clock_notice,
    gap_notices,
    is_plausible_times,
    rates_differ,
    usual_rate_hz,
)

ULTRASOUND_MODALITIES = ("US", "IVUS", "")
"""Modalities (0008,0060) without a warning; an empty one is common in anonymised files."""

_DAY_S = 86400.0
_CLOCK = re.compile(r"(\d{2})(\d{2})(\d{2}(?:\.\d{1,6})?)")
_TIMES = ("TriggerTime", "AcquisitionDateTime", "AcquisitionTime")
"""Attributes that hold the time of a frame, the most exact first."""

_MADE = "ContentTime"
"""When an image was made, maybe by an export: used, with a warning, where no other times are given."""


@dataclass(frozen=True, slots=True)
class Instance:
    """What the header of a single frame says of its place in a cine.

    Attributes:
        path: The file.
        series: Series Instance UID, or empty.
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


def read_dicom(path: str | os.PathLike[str], limits: SizeLimits = DEFAULT_LIMITS) -> Clip:
    """Read a DICOM file with one frame or many, in any transfer syntax that images or video use.

    Args:
        path: The file, with or without preamble and suffix.
        limits: How large the clip may be.

    Returns:
        The clip, with times from the attribute that rules (``timing`` is its keyword) and a scale where the
        file has a usable one.

    Raises:
        DicomError: when it is no DICOM file, holds no image, is too large, or nothing of it can be decoded.
        MissingExtraError: when its transfer syntax needs a decoder that is not installed.
        QualityRefusal: ``volume``, when its frames do not follow each other in time.
    """
    source = os.fspath(path)
    with quiet_pydicom(), Path(path).open("rb") as file:
        dataset = read_header(file, source)
        height, width = int_value(dataset, "Rows"), int_value(dataset, "Columns")
        check_size(source, 1, height, width, limits, error=DicomError)
        check_frames_follow_in_time(dataset, count_frames(dataset, file)[0], source)
        payload = _read_payload(file, dataset, source, limits)
        pixels = decode_pixels(dataset, payload, source, limits)
        n_decoded, height, width = pixels.frames.shape
        timing = frame_times(dataset, n_decoded, pixels.container)
        scale = read_tissue_scale(dataset, height, width, pixels.aspect)
        resized = next((notice.text for notice in pixels.notices if notice.code == "frame_size"), "")
        if resized:
            scale = replace(scale, spacing=shape_of(scale.spacing), note=resized, region=None)
        stated = read_view(dataset)
        return Clip(
            frames=pixels.frames,
            times_s=timing.times_s,
            timing=timing.source,
            source=source,
            spacing=scale.spacing,
            spacing_note=scale.note,
            region=scale.region,
            other_regions=scale.other_regions,
            chroma=pixels.chroma,
            view=stated.view,
            view_statement=stated.statement,
            sex=read_sex(dataset),
            heart_rate_bpm=read_heart_rate_bpm(dataset),
            r_wave_times_s=read_r_wave_times(dataset, timing.times_s),
            notices=(*_modality_notice(dataset), *pixels.notices, *timing.notices, *scale.notices),
        )


def single_instances(files: Iterable[Path]) -> list[Instance]:
    """Return those of the files that are DICOM images of one frame, with what their headers say."""
    return [instance for path in files if (instance := _instance(path)) is not None]


def read_instances(instances: Sequence[Instance], source: str, limits: SizeLimits = DEFAULT_LIMITS) -> Clip:
    """Read single-frame DICOM files of one folder as the frames of a cine.

    Args:
        instances: From `single_instances`.
        source: The folder's name as the user gave it.
        limits: How large the clip may be.

    Returns:
        The clip, in the order of its times or instance numbers. ``timing`` is the attribute that holds the times, or
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
    clips = list(_frames(ordered, source, limits))
    frames = np.concatenate([clip.frames for clip in clips])
    check_frames_are_alike(
        frames,
        f"{source} holds {len(clips)} single-frame DICOM files of one series",
        "they are stills. Give a cine, or an ED and an ES still with --ed FILE --es FILE.",
    )
    first = clips[0]
    text = f"{len(clips)} single-frame DICOM files of one series are read as a cine."
    met = dict.fromkeys(notice for clip in clips for notice in clip.notices)
    chroma = [clip.chroma for clip in clips if clip.chroma is not None]
    clip = replace(
        first,
        frames=frames,
        times_s=timing.times_s,
        timing=timing.source,
        source=source,
        chroma=np.max(chroma, axis=0) if chroma else None,
        notices=(CodedWarning("series_of_stills", text), *notices, *met, *timing.notices),
    )
    if any(other.spacing != first.spacing or other.region != first.region for other in clips):
        note = "The files of the series have different scales or regions: none of them is used."
        shape = shape_of(first.spacing) if all(c.pixel_aspect == first.pixel_aspect for c in clips) else None
        clip = replace(clip, spacing=shape, spacing_note=note, region=None, other_regions=())
    return clip


def _read_payload(file: BinaryIO, dataset: Dataset, source: str, limits: SizeLimits) -> Payload:
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax == DeflatedExplicitVRLittleEndian:
        file.seek(0)
        data = dcmread(file, force=True).get("PixelData")
        payload = None if data is None else Payload(bytes(data), False)
    else:
        implicit, little = dataset.original_encoding
        most = MAX_FILE_BYTES
        if syntax in NATIVE_SYNTAXES:  # one frame too many is refused; those beyond need not be read for that
            most = min(most, (limits.max_frames + 1) * 3 * native_frame_bytes(dataset))
        payload = read_payload(file, implicit_vr=bool(implicit), little_endian=bool(little), max_bytes=most)
    if payload is None:
        raise DicomError(
            f"{source} is a DICOM file whose pixel data is missing or was cut off: export it again."
        )
    if payload.encapsulated and syntax in NATIVE_SYNTAXES:
        raise DicomError(
            f"{source} holds compressed frames, but its header does not name the transfer syntax: export "
            "it again."
        )
    return payload._replace(encapsulated=syntax not in NATIVE_SYNTAXES)


def _modality_notice(dataset: Dataset) -> tuple[CodedWarning, ...]:
    modality = text_value(dataset, "Modality")
    if modality in ULTRASOUND_MODALITIES:
        return ()
    shown = modality if modality.isalnum() and len(modality) <= 4 else "something else"
    return (CodedWarning("modality", f"The file's modality is {shown}, expected US (ultrasound)."),)


def _instance(path: Path) -> Instance | None:
    note_progress()
    try:
        if format_of_file(path) is not DICOM:
            return None
        with path.open("rb") as file, quiet_pydicom():
            header = read_header(file, os.fspath(path))
            if count_frames(header, file)[0] != 1:
                return None
            found = {name: at for name in (*_TIMES, _MADE) if (at := _time_s(header, name)) is not None}
            order = float_value(header, "InstanceNumber")
            series, study, identity, patient, issuer = (
                text_value(header, keyword)
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
        value = float_value(header, name)
        return None if value is None else value / 1000.0
    stated = text_value(header, name)
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
        remedy = "put each series into a folder of its own" if long else "give a cine"
        raise QualityRefusal(
            REFUSAL,
            f"{source} holds {len(instances)} single-frame DICOM files {what}: {remedy}, or give an ED and an ES still with "
            "--ed FILE --es FILE.",
        )
    [chosen] = long.values()
    if len({instance.patient for instance in chosen.values()}) > 1:
        raise QualityRefusal(
            REFUSAL,
            f"{source} holds {len(chosen)} single-frame DICOM files of one series but of several patients: they are no "
            "cine. Give each patient's files in a folder of their own.",
        )
    notices = []
    if len({instance.study for instance in chosen.values()}) > 1:
        text = "The files of the series name several studies: they are taken as one."
        notices.append(CodedWarning("contradictory_study", text))
    if twice:
        text = f"{twice} files hold an image that is there already: they are left out."
        notices.append(CodedWarning("same_instance", text))
    others = len(instances) - twice - len(chosen)
    if others:
        text = f"{others} single-frame DICOM files of the folder are of another series: they are left out."
        notices.append(CodedWarning("other_stills", text))
    return list(chosen.values()), notices


def _check_one_plane(instances: Sequence[Instance], source: str) -> None:
    """Refuse slices: images of one series at different places."""
    for keyword in ("ImagePositionPatient", "SliceLocation"):
        places = {tuple(float_values(instance.header, keyword)) for instance in instances}
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
            if is_plausible_times(times):
                notices = _compared(order, times, name, numbered and order != by_number)
                return order, Timing(times, name, (*notices, *gap_notices(times)))
    if not numbered:
        raise QualityRefusal(
            REFUSAL,
            f"{source} holds {len(instances)} single-frame DICOM files of one series whose instance numbers and times do "
            "not determine their order: export the clip as one multi-frame file.",
        )
    return by_number, _even(by_number)


def _even(ordered: Sequence[Instance]) -> Timing:
    """Times from the instance numbers, at the rate that the headers state or that is assumed; missing ones leave a gap."""
    order = np.array([instance.number for instance in ordered], dtype=np.int64)
    steps = np.diff(order)
    places = (order - order[0]) / np.gcd.reduce(steps)
    stated = frame_times(ordered[0].header, len(ordered))
    notices = stated.notices
    if stated.source == "assumed":
        stated = assumed_timing(len(ordered))
        rate_hz = DEFAULT_FRAME_RATE_HZ
    else:
        rate_hz = usual_rate_hz(stated.times_s)
    missing = int(places[-1]) + 1 - len(ordered)
    if missing:
        text = f"{missing} instance numbers are missing between {order[0]} and {order[-1]}: their times are left free."
        notices = (CodedWarning("missing_frames", text), *notices)
    return Timing(places / rate_hz, stated.source, notices)


def _compared(
    order: Sequence[Instance], times_s: FloatArray, name: str, against_numbers: bool
) -> Iterator[CodedWarning]:
    if name == _MADE:
        text = "Times come from Content Time, which may be that of an export."
        yield clock_notice("content_time", text)
    if against_numbers:
        text = f"{name} puts the files of the series in another order than their instance numbers: the times are used."
        yield CodedWarning("contradictory_order", text)
    stated = frame_times(order[0].header, len(order))
    if stated.source != "assumed":
        stated_hz, found_hz = (usual_rate_hz(t) for t in (stated.times_s, times_s))
        if rates_differ(stated_hz, found_hz):
            text = f"{name} gives {found_hz:.4g} Hz, {stated.source} {stated_hz:.4g} Hz: the former is used."
            yield clock_notice("contradictory_rate", text)


def _frames(ordered: Sequence[Instance], source: str, limits: SizeLimits) -> Iterator[Clip]:
    first: Clip | None = None
    for instance in ordered:
        clip = read_dicom(instance.path, limits)
        first = first or clip
        height, width = clip.frames.shape[1:]
        check_size(source, len(ordered), height, width, limits)
        if clip.frames.shape != first.frames.shape:
            raise QualityRefusal(
                REFUSAL,
                f"{source}: {instance.path.name} has {width} x {height} pixels, the first file of the series "
                f"{first.frames.shape[2]} x {first.frames.shape[1]}: the frames of a cine are alike; they are stills.",
            )
        yield clip
