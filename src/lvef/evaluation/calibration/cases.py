"""Cases for the calibration of the prediction interval, and what the model measures on each.

The patients were held out of the training of the measuring model. The reference EF is that of the experts' contours of the
same view (stills, animated stills) or of the phantom cut in the same plane. Four sources: pairs of stills of held-out
patients, the same under perturbations, animated stills of the same patients, phantoms. Phantoms of another seed are for the
test alone.

Two further sources are biplane studies: the A4C and the A2C of an animated patient or of a phantom. Both views of a heart
are made with the same EF, so that the reference is the mean of its views'.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from lvef.core.errors import DataError
from lvef.core.journal import file_stamp
from lvef.core.records import Measurement
from lvef.core.terms import Status, View
from lvef.datasets.camus import CamusStill, pair_of, read_stills
from lvef.evaluation.metrics import NAN
from lvef.evaluation.runner import CaseResult, Measures
from lvef.evaluation.stills.robustness import PERTURBATIONS
from lvef.evaluation.stills.scores import expert_volume
from lvef.evaluation.synthetic.evaluation import reference_beats
from lvef.evaluation.synthetic.truth import TrueClip, read_dataset
from lvef.geometry.ejection import ejection_fraction
from lvef.measure.interval import method_of, signs_of, signs_of_views
from lvef.measure.pipeline import ClipResult
from lvef.stores.synthetic import Source, Task, synthesize
from lvef.stores.synthetic_sources import (
    AnimatedStillsSource,
    ClipOptions,
    PhantomSource,
    animated_stills_tasks,
    phantom_tasks,
)

STILLS, PERTURBED, ANIMATED, PHANTOMS = SOURCES = "stills", "perturbed stills", "animated stills", "phantoms"
"""Sources of cases of one view."""

ANIMATED_STUDIES, PHANTOM_STUDIES = "animated stills, both views", "phantoms, both views"
"""Sources of biplane studies."""

FIT, TEST = "fit", "test"
"""What a case is for. Patients are for the fit, and tested in cross-validation over patients."""


class MeasuresStills(Measures, Protocol):
    """What measures clips and pairs of stills, as `lvef.measure.pipeline.Measurer` does."""

    def measure_pair(self, ed: Path, es: Path) -> ClipResult:
        """Measure an ED and an ES still."""

    def measure_biplane(self, a4c: Path, a2c: Path) -> tuple[Measurement, dict[str, ClipResult]]:
        """Measure both views."""


@dataclass(frozen=True, slots=True)
class Case:
    """A pair of stills, a synthetic clip, or the two clips of a synthetic biplane study.

    Attributes:
        name: Unique.
        patient: Who is set aside as a whole.
        source: One of `SOURCES`, or of the biplane studies.
        view: A4C or A2C; of a study A4C.
        change: Name of the perturbation, or empty.
        part: `FIT` or `TEST`.
        root: Folder of CAMUS, for stills.
        clip: The clip with its truth, for synthetic ones.
        second: The A2C of a study.
    """

    name: str
    patient: str
    source: str
    view: View
    change: str = ""
    part: str = FIT
    root: Path | None = None
    clip: TrueClip | None = None
    second: TrueClip | None = None


@dataclass(frozen=True, slots=True)
class SignsResult(CaseResult):
    """What the model measured on a case, beside its reference.

    Attributes:
        patient: See `Case`, as are ``source``, ``view``, ``change`` and ``part``.
        reference_percent: Reference EF; NaN where there is none.
        method: From `lvef.measure.interval.method_of`.
        signs: From `lvef.measure.interval.signs_of`.
        parts: Readable parts of the image quality, those that are known.
        warnings: Codes of its warnings.
    """

    patient: str = ""
    source: str = ""
    view: str = ""
    change: str = ""
    part: str = FIT
    reference_percent: float = NAN
    method: str = ""
    signs: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def error(self) -> float:
        """Reference less measured EF, in points; NaN without one of them."""
        return self.reference_percent - self.ef_percent


def still_cases(root: Path, patients: Sequence[str]) -> list[Case]:
    """Pairs of stills of both views as they are, and of one view a patient, in turn, under every perturbation."""
    cases = []
    for place, patient in enumerate(patients):
        for view in (View.A4C, View.A2C):
            cases.append(Case(f"{patient} {view}", patient, STILLS, view, root=root))
        view = (View.A4C, View.A2C)[place % 2]
        cases += [
            Case(f"{patient} {view} {change}", patient, PERTURBED, view, change, root=root)
            for change in PERTURBATIONS
        ]
    return cases


def animated_cases(
    out: Path, root: Path, patients: Sequence[str], seed: int, workers: int, *, studies: bool = False
) -> list[Case]:
    """An animated pair of A4C stills a patient, with ``studies`` also both views; made in ``out`` where not there yet."""
    tasks = animated_stills_tasks(root, patients, 1, "TEST")
    sources = [AnimatedStillsSource(root, ClipOptions(view=view)) for view in _views(studies)]
    made = _made(sources, tasks, out / f"animated-seed{seed}", seed, workers)
    cases = [
        Case(f"animated {name}", str(clip.parameters["patient"]), ANIMATED, View.A4C, clip=clip)
        for name, clip in made[0].items()
    ]
    return cases + _studies(cases, ANIMATED_STUDIES, *made[1:])


def phantom_cases(
    out: Path, clips: int, seed: int, part: str, workers: int, *, studies: bool = False
) -> list[Case]:
    """A4C phantoms of a seed, with ``studies`` also both views; made in ``out`` where they are not there yet."""
    tasks = phantom_tasks(clips, seed, "TRAIN" if part == FIT else "TEST")
    sources = [PhantomSource(ClipOptions(view=view)) for view in _views(studies)]
    made = _made(sources, tasks, out / f"phantoms-seed{seed}", seed, workers)
    cases = [
        Case(f"{name} seed {seed}", f"{name}-seed{seed}", PHANTOMS, View.A4C, part=part, clip=clip)
        for name, clip in made[0].items()
    ]
    return cases + _studies(cases, PHANTOM_STUDIES, *made[1:])


def _views(studies: bool) -> tuple[View, ...]:
    return (View.A4C, View.A2C) if studies else (View.A4C,)


def _studies(cases: Sequence[Case], source: str, seconds: Mapping[str, TrueClip] | None = None) -> list[Case]:
    """Biplane studies of the cases whose heart is there in the second view as well."""
    return [
        replace(case, name=f"{case.name}, both views", source=source, second=seconds[case.clip.name])
        for case in cases
        if seconds and case.clip is not None and case.clip.name in seconds
    ]


def measure_case(case: Case, measurer: MeasuresStills) -> SignsResult:
    """Measure a case as it is measured in use, from files.

    Raises:
        DataError: Its files cannot be read, or its stills have no reference EF.
    """
    reference = NAN
    if case.clip is None:
        assert case.root is not None
        stills = pair_of(read_stills(case.root, [case.patient]), case.patient, case.view)
        reference = ejection_fraction(*(expert_volume(still) for still in stills))
        m, _ = _measure_stills(case, stills, measurer)
    elif case.second is None:
        m, _ = measurer.measure(case.clip.video)
    else:
        m, views = measurer.measure_biplane(case.clip.video, case.second.video)
    if m.status is Status.FAILED:
        raise DataError(m.reason)
    measured = [m] if case.second is None else [view for view, _ in views.values()]
    if case.clip is not None:
        clips = [case.clip] if case.second is None else [case.clip, case.second]
        reference = float(np.mean([_true_ef(*pair) for pair in zip(clips, measured, strict=True)]))
    parts = {} if m.quality is None else m.quality.parts
    return SignsResult(
        item=case.name,
        status=str(m.status),
        reason_code=m.reason_code,
        reason=m.reason,
        ef_percent=NAN if m.ef_percent is None else float(m.ef_percent),
        patient=case.patient,
        source=case.source,
        view=str(case.view),
        change=case.change,
        part=case.part,
        reference_percent=reference,
        method=method_of(m),
        signs=signs_of(m) if case.second is None else signs_of_views(measured),
        parts={name: float(value) for name, value in parts.items() if value is not None},
        warnings=tuple(notice.code for notice in m.notices),
    )


def _true_ef(clip: TrueClip, m: Measurement) -> float:
    """Mean EF of the true beats that a measurement is compared with; NaN where there is none."""
    times = np.zeros(0) if m.curve is None else m.curve.times_s
    beats, _ = reference_beats(clip, m, times)
    return float(np.mean([beat.plane_ef_percent for beat in beats])) if beats else NAN


def stamp(case: Case) -> str:
    """Changes when a file of the case does; empty where one is missing."""
    if case.clip is not None:
        clips = [case.clip] if case.second is None else [case.clip, case.second]
        return file_stamp([path for clip in clips for path in (clip.video, clip.curve)])
    assert case.root is not None
    return f"{case.root.resolve()}:{case.change}"


def _measure_stills(case: Case, stills: Sequence[CamusStill], measurer: MeasuresStills) -> ClipResult:
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for still in stills:
            image = still.image
            if case.change:
                rng = np.random.default_rng(
                    zlib.crc32(f"{case.change} {case.patient} {still.phase}".encode())
                )
                image, _ = PERTURBATIONS[case.change](image, still.mask, rng)
            paths.append(Path(folder) / f"{case.patient}_{still.phase}.png")
            cv2.imwrite(str(paths[-1]), image)
        return measurer.measure_pair(*paths)


def _made(
    sources: Sequence[Source], tasks: Sequence[Task], folder: Path, seed: int, workers: int
) -> list[dict[str, TrueClip]]:
    """Clips by name, those that can be evaluated; of the A4C and, where there is a second source, of the A2C."""
    wanted, made = {task.name for task in tasks}, []
    for source, of_view in zip(sources, (folder, folder.with_name(f"{folder.name}-a2c")), strict=False):
        synthesize(source, tasks, of_view, seed=seed, workers=workers)
        found = (clip for clip in read_dataset(of_view) if clip.name in wanted)
        made.append({clip.name: clip for clip in found if clip.beats and not clip.error})
    return made
