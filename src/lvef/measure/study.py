"""The clips of a whole study: each is measured, and the best A4C and the best A2C give the biplane EF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lvef.core.errors import LvefError, QualityRefusal
from lvef.core.records import Clip, CodedWarning, Measurement
from lvef.core.terms import MEASURABLE_VIEWS, Decision, View, ViewSource
from lvef.core.wording import VIEW_TEXT, ef_text
from lvef.measure.biplane import ViewMeasurer, Views, combine_views
from lvef.measure.results import failed_measurement

CHOICE = "study_choice"
"""Code of the warning that says which clips were chosen, and why."""

MOST_FILES = 20
"""Files that are named in one sentence; further ones are counted."""

_SOURCES = {ViewSource.FILE: "stated in the file", ViewSource.USER: "given", ViewSource.IMAGE: "by the image"}


@dataclass(frozen=True, slots=True)
class StudyClip:
    """A clip of a study that was measured.

    Attributes:
        path: Its file.
        measurement: Its result.
        clip: The clip itself, as long as it may be chosen.
    """

    path: Path
    measurement: Measurement
    clip: Clip | None


def measure_study(measurer: ViewMeasurer, folder: Path, files: Sequence[Path]) -> tuple[Measurement, Views]:
    """Measure every clip of a study; the best A4C and the best A2C give the biplane EF.

    Args:
        measurer: Measures each of them.
        folder: What to call the study in a refusal.
        files: Its files.
    """
    plain = measurer.with_options(replace(measurer.options, second_opinion=""), measurer.progress)
    best: dict[View, StudyClip] = {}
    found: list[StudyClip] = []
    try:
        _check_one_patient(folder, files)
        for path in files:
            one = StudyClip(path, *plain.measure(path))
            found.append(replace(one, clip=None))
            view = one.measurement.view
            # Only the best clips stay in memory.
            if is_candidate(one.measurement) and (
                view not in best or rank(one.measurement) < rank(best[view].measurement)
            ):
                best[view] = one
        _check_pair(folder, best, found)
        four, two = (best[view] for view in MEASURABLE_VIEWS)
        views: Views = {str(view): (best[view].measurement, best[view].clip) for view in MEASURABLE_VIEWS}
        biplane, views = combine_views(measurer, four.path, two.path, views)
    except LvefError as error:
        return failed_measurement(str(folder), error, None), {}
    notice = CodedWarning(CHOICE, choice_text(best, found))
    return replace(biplane, notices=(notice, *biplane.notices)), views


def is_candidate(measurement: Measurement) -> bool:
    """Whether a clip shows one of the two views and has an EF and contours."""
    m = measurement
    return (
        m.view in MEASURABLE_VIEWS
        and m.ef_percent is not None
        and m.shown_beat is not None
        and any(m.tracings)
    )


def rank(measurement: Measurement) -> tuple[float, ...]:
    """Sorts clips of one view, the best first.

    A view that the file states counts more than the image's; then its probability, the decision, the image quality, the
    number of beats and the width of the prediction interval. Probability and quality are compared by tenths, so that what
    follows them has a say.

    Args:
        measurement: With an EF.
    """
    m = measurement
    score = None if m.quality is None else m.quality.score
    width = (
        float("inf")
        if m.ef_low_percent is None or m.ef_high_percent is None
        else m.ef_high_percent - m.ef_low_percent
    )
    return (
        float(m.view_source == ViewSource.IMAGE),
        -round(m.view_probability or 0.0, 1),
        float(m.decision == Decision.CAUTION),
        -round(score or 0.0, 1),
        -float(len(m.counted_beats)),
        width,
    )


def choice_text(best: dict[View, StudyClip], found: Sequence[StudyClip]) -> str:
    """Which clips were chosen of how many, and what the others are.

    Args:
        best: The chosen ones.
        found: All.
    """
    parts = []
    for view in MEASURABLE_VIEWS:
        chosen = best[view]
        n = sum(is_candidate(one.measurement) and one.measurement.view is view for one in found)
        of = "the only one" if n == 1 else f"the best of {n}"
        parts.append(f"{view}: {chosen.path.name}, {of} ({_why(chosen.measurement)})")
    chosen_paths = {one.path for one in best.values()}
    others = [one for one in found if one.path not in chosen_paths]
    text = f"Chosen of {len(found)} files: {'; '.join(parts)}."
    return f"{text} Not used: {_listed(others)}." if others else text


def _why(m: Measurement) -> str:
    """What a clip was chosen for."""
    parts = [f"view {_SOURCES[ViewSource(m.view_source)]}" if m.view_source else ""]
    parts.append(m.decision)
    if m.quality is not None and m.quality.score is not None:
        parts.append(f"image quality {m.quality.score:.1f}")
    n = len(m.counted_beats)
    parts.append(f"{n} {'beat' if n == 1 else 'beats'}" if n else "no complete beat")
    return ", ".join(filter(None, parts))


def _listed(clips: Sequence[StudyClip]) -> str:
    """What was found of each clip."""
    shown = [f"{one.path.name} ({_what(one.measurement)})" for one in clips[:MOST_FILES]]
    more = len(clips) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")


def _what(m: Measurement) -> str:
    if m.ef_percent is None:
        return m.reason_code or str(m.status)
    view = "view unknown" if m.view is View.UNKNOWN else VIEW_TEXT[m.view]
    return f"{view}, EF {ef_text(m.ef_percent)}"


def _check_pair(folder: Path, best: dict[View, StudyClip], found: Sequence[StudyClip]) -> None:
    missing = [str(view) for view in MEASURABLE_VIEWS if view not in best]
    if missing:
        raise QualityRefusal(
            "no_pair",
            f"{folder}: no {' and no '.join(missing)} with an EF was found among {len(found)} files; a biplane EF needs "
            f"both views. Found: {_listed(found)}. Where you know the views, give the two clips with --a4c FILE --a2c FILE.",
        )


def _check_one_patient(folder: Path, files: Sequence[Path]) -> None:
    """Refuse files of several patients; what the headers say is compared and never shown."""
    # Here, because importing pydicom takes a quarter of a second, which a video need not wait for.
    from lvef.io.dicom_header import read_dicom_identity

    known = [identity for path in files if (identity := read_dicom_identity(path)) is not None]
    patients = {identity.patient or identity.person for identity in known} - {None}
    if len(patients) > 1:
        raise QualityRefusal(
            "patients_differ",
            f"{folder}: the headers of its files name {len(patients)} patients; the clips of one study were expected. Give "
            "the folder of one patient.",
        )
